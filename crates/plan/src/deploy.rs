//! The plan that makes true what the manifest says.

use std::collections::BTreeSet;

use landfall_model::{
    Change, ChangeKind, Fault, Forecast, Observed, Plan, PlanKind, Release, Route, ServiceName, ServicePlan,
};

use crate::adoption::refuse_owned;
use crate::desired::{Desired, DesiredService};
use crate::difference::reasons;
use crate::down::{removal, removed_line};
use crate::draft::{Draft, Line, Moving};
use crate::drift::drift;
use crate::moves::Move;
use crate::refusals::{active_of, refuse_running, refuse_unable, refuse_used};

/// Plans what turns `observed` into `desired`. A service that runs what it should and is healthy stays untouched.
///
/// # Errors
/// A refusal: a transaction that runs, a version that is not later than all before, a route that another one holds.
pub fn deploy(desired: &Desired, observed: &Observed) -> Result<Plan, Fault> {
    refuse_running(&desired.app, &desired.environment, observed)?;
    let mut lines = Vec::with_capacity(desired.services.len());
    let mut moving = Vec::new();
    for service in &desired.services {
        match consider(desired, service, observed)? {
            Considered::Stays(line) => lines.push(Line::Stays(line)),
            Considered::Moves(it) => {
                lines.push(Line::Moves(moving.len()));
                moving.push(*it);
            }
        }
    }
    if !moving.is_empty() {
        refuse_used(&desired.version, observed)?;
    }
    let mut removals = Vec::new();
    let mut removed_lines = Vec::new();
    if desired.complete {
        let named: BTreeSet<&ServiceName> = desired.services.iter().map(|service| &service.name).collect();
        for (name, service) in observed.services.iter().filter(|(name, _)| !named.contains(name)) {
            let Some(removal) = removal(name, service, false)? else { continue };
            removed_lines.push(removed_line(&removal, "it is no longer in the manifest"));
            removals.push(removal);
        }
    }
    let draft = Draft {
        kind: PlanKind::Deploy,
        app: &desired.app,
        environment: &desired.environment,
        version: desired.version.clone(),
        observed,
    };
    draft.finish(lines, moving, &removals, removed_lines)
}

enum Considered<'a> {
    Stays(Box<ServicePlan>),
    Moves(Box<Moving<'a>>),
}

fn consider<'a>(
    desired: &Desired,
    service: &DesiredService,
    observed: &'a Observed,
) -> Result<Considered<'a>, Fault> {
    let new = desired.release(service);
    let seen = observed.services.get(&service.name);
    let old = seen.map(|seen| active_of(&service.name, seen)).transpose()?.flatten();
    let change = match (old, seen) {
        (Some(old), Some(seen)) => {
            let mut reasons = reasons(old, &new);
            reasons.extend(drift(seen, old).map(|what| ChangeKind::Drift { what }));
            if reasons.is_empty() { Change::Unchanged } else { Change::Update { reasons } }
        }
        _ => Change::Create,
    };
    let mut line = line(&new, old, change);
    line.notes.clone_from(&service.notes);
    if line.change == Change::Unchanged {
        line.to.clone_from(&line.from);
        return Ok(Considered::Stays(Box::new(line)));
    }
    refuse_unable(&new, observed)?;
    refuse_owned(&new, observed)?;
    let shift = Move::between(old, new, seen, true);
    Ok(Considered::Moves(Box::new(Moving { shift, line })))
}

/// The line of a service, its forecast still open.
pub(crate) fn line(new: &Release, old: Option<&Release>, change: Change) -> ServicePlan {
    ServicePlan {
        service: new.service().clone(),
        change,
        from: old.map(|old| old.id.clone()),
        to: Some(new.id.clone()),
        strategy: new.spec.strategy,
        forecast: Forecast::none(""),
        url: new.spec.route.as_ref().map(Route::url),
        notes: Vec::new(),
    }
}
