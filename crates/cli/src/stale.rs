//! Whether a saved plan still says what is true: if anything that it rests on has moved it is refused, with all of it.

use std::collections::BTreeMap;

use landfall_model::{
    Blame, Change, Fault, FaultKind, Observed, Plan, PlanKind, Release, Retry, ServiceName,
};
use landfall_plan::{Desired, DesiredService};

/// The version of the plan's format that is understood.
const FORMAT: u32 = 1;

/// Checks what a file holds before anything else is looked at.
///
/// # Errors
/// A plan that was changed by hand, is of another format, application or environment, or deploys nothing.
pub(crate) fn check_file(plan: &Plan, desired: (&str, &str)) -> Result<(), Fault> {
    let (app, environment) = desired;
    if plan.format != FORMAT {
        return Err(refused(format!(
            "the plan is of format {}, this is Landfall for format {FORMAT}",
            plan.format
        )));
    }
    if !plan.is_intact() {
        return Err(refused(
            "the plan's hash is not the hash of what it says: it was changed after it was made",
        ));
    }
    if (plan.app.as_str(), plan.environment.as_str()) != (app, environment) {
        let made = format!("{} in {}", plan.app, plan.environment);
        return Err(refused(format!("the plan is for {made}, this is {app} in {environment}")));
    }
    if plan.kind != PlanKind::Deploy {
        return Err(refused("the plan is no deploy"));
    }
    Ok(())
}

/// Checks that the plan's new releases are what source, manifest and secrets come to now, and that the place is where
/// it was.
///
/// # Errors
/// Everything that moved since.
pub(crate) fn check_world(plan: &Plan, desired: &Desired, observed: &Observed) -> Result<(), Fault> {
    let mut moved = Vec::new();
    if plan.generation != observed.generation {
        moved.push(format!(
            "something was deployed since: the place is at generation {}, the plan was made at {}",
            observed.generation, plan.generation
        ));
    }
    let now: BTreeMap<&ServiceName, &DesiredService> =
        desired.services.iter().map(|service| (&service.name, service)).collect();
    for line in &plan.services {
        let release = line.to.as_ref().and_then(|to| plan.releases.get(to));
        match (now.get(&line.service), release) {
            (Some(service), Some(release)) => moved.extend(differences(service, release)),
            (None, Some(_)) => moved.push(format!("`{}` is no longer in the manifest", line.service)),
            (Some(_), None) if line.change == Change::Remove => {
                moved.push(format!("`{}` is in the manifest again", line.service));
            }
            // Unchanged when the plan was made: whether it still is, is in the release that serves.
            (Some(service), None) => {
                let active = observed.services.get(&line.service).and_then(|seen| {
                    seen.releases.iter().find(|known| Some(&known.release.id) == seen.active.as_ref())
                });
                moved.extend(active.into_iter().flat_map(|known| differences(service, &known.release)));
            }
            (None, None) => {}
        }
    }
    let planned: Vec<&ServiceName> = plan.services.iter().map(|line| &line.service).collect();
    let new = desired.services.iter().filter(|service| !planned.contains(&&service.name));
    moved.extend(new.map(|service| format!("`{}` is not in the plan", service.name)));
    if moved.is_empty() { Ok(()) } else { Err(refused(format!("the plan is stale: {}", moved.join("; ")))) }
}

fn differences(service: &DesiredService, planned: &Release) -> Vec<String> {
    let name = &service.name;
    let mut found = Vec::new();
    if service.artifact != planned.artifact {
        found.push(format!("the source of `{name}` has changed"));
    }
    if Release::config_digest(&service.spec) != planned.config {
        found.push(format!("the manifest says something else of `{name}`"));
    }
    if service.secrets != planned.secrets {
        found.push(format!("secrets of `{name}` have changed"));
    }
    found
}

fn refused(message: impl Into<String>) -> Fault {
    Fault::new(FaultKind::Refused, Blame::User, Retry::AfterFix, message)
        .help("make a new one with `landfall plan --out FILE`, look at it, and apply that")
}
