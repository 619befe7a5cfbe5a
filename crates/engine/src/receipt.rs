//! Builds receipts out of what was read back.

use std::collections::HashMap;

use landfall_model::{
    Downtime, Outcome, PlanKind, Receipt, ReceiptStep, Release, ReleaseId, Requests, ServiceName,
    ServicePlan, Step, Strategy,
};

use crate::driver::Driver;
use crate::journal::Proof;

/// The version of the receipt's format.
const FORMAT: u32 = 1;

/// The release in whose name a service's requests are counted: the one that has a route.
pub(crate) fn metered_release<'a>(driver: &Driver<'a>, line: &'a ServicePlan) -> Option<&'a Release> {
    if line.from == line.to {
        return None;
    }
    let find = |id: &Option<ReleaseId>| id.as_ref().and_then(|id| driver.outlook.plan.releases.get(id));
    [find(&line.to), find(&line.from)].into_iter().flatten().find(|release| release.spec.route.is_some())
}

/// A receipt for each service that moved; of a `down` for each that was taken away.
pub(crate) fn receipts(driver: &Driver<'_>, outcome: Outcome) -> Vec<Receipt> {
    let plan = driver.outlook.plan;
    let mut steps: HashMap<&ServiceName, Vec<ReceiptStep>> = HashMap::new();
    let mut proofs: HashMap<&ServiceName, &Proof> = HashMap::new();
    let mut judged: HashMap<&ServiceName, Vec<String>> = HashMap::new();
    for (index, step) in plan.steps.iter().enumerate() {
        if let Some(ms) = driver.took[index] {
            let name = format!("{}: {}", step.verb(), driver.titles[index].title);
            steps.entry(step.service()).or_default().push(ReceiptStep { name, ms });
        }
        if let Some(found) = driver.judged.get(&index) {
            judged.entry(step.service()).or_default().push(found.clone());
        }
        if let (Step::ReadBack { .. }, Some(proof)) = (step, driver.proofs.get(&index)) {
            proofs.insert(step.service(), proof);
        }
    }
    let moved = plan.services.iter().filter(|line| line.from != line.to);
    moved
        .filter(|line| line.to.is_some() || plan.kind == PlanKind::Down)
        .filter_map(|line| {
            let release = plan.releases.get(line.to.as_ref().or(line.from.as_ref())?)?;
            let proof = match outcome {
                Outcome::Done => proofs.get(&line.service).copied().cloned().unwrap_or_default(),
                _ => of_the_old(driver, line),
            };
            let (requests, measured_ms) = metered(driver, line);
            Some(Receipt {
                format: FORMAT,
                transaction: driver.transaction,
                kind: plan.kind,
                at: driver.context.clock.now(),
                environment: plan.environment.clone(),
                service: line.service.clone(),
                version: release.id.version().clone(),
                previous_version: line.from.as_ref().map(|from| from.version().clone()),
                strategy: line.strategy,
                artifact_digest: release.artifact,
                instances: proof.instances,
                traffic: proof.traffic,
                url: line.url.clone(),
                served: proof.served,
                requests,
                downtime: Downtime { forecast_ms: line.forecast.pause_ms, measured_ms },
                bytes_shipped: driver.bytes_shipped,
                steps: steps.remove(&line.service).unwrap_or_default(),
                duration_ms: driver.lasted(),
                judged: judged.remove(&line.service).unwrap_or_default(),
                promoted: driver.promoted && line.strategy == Strategy::Canary,
                plan_hash: plan.hash.unwrap_or(release.config),
                outcome,
            })
        })
        .collect()
}

/// What serves after everything was taken back, as far as it can be read.
fn of_the_old(driver: &Driver<'_>, line: &ServicePlan) -> Proof {
    let host = driver.context.host;
    let Some(old) = line.from.as_ref().and_then(|from| driver.outlook.plan.releases.get(from)) else {
        return Proof::default();
    };
    Proof {
        instances: host.read_back(old).unwrap_or_default(),
        traffic: host.traffic(old).unwrap_or_default().into_iter().filter(|(_, share)| *share > 0).collect(),
        served: None,
    }
}

/// Requests since the begin, and the longest pause; nothing where the proxy cannot say.
fn metered(driver: &Driver<'_>, line: &ServicePlan) -> (Requests, u64) {
    let Some(release) = metered_release(driver, line) else { return Default::default() };
    driver.context.host.metered(release).unwrap_or_else(|fault| {
        driver.note(format!("the requests of `{}` could not be counted: {}", line.service, fault.message));
        Default::default()
    })
}
