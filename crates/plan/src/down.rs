//! The plan that takes services away.

use landfall_model::{
    AppName, Change, EnvironmentName, Fault, Forecast, Observed, ObservedService, Pause, Plan, PlanKind,
    ServiceName, ServicePlan, Version,
};

use crate::draft::{Draft, Removal, running_of};
use crate::refusals::{active_of, refuse_running, refuse_unknown};

/// What is to be taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownRequest {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub environment: EnvironmentName,
    /// Which services; empty for all.
    pub services: Vec<ServiceName>,
    /// Whether their volumes go too.
    pub volumes: bool,
    /// The version that the plan carries; no release gets it.
    pub version: Version,
}

/// Plans what takes the services away: routes first, then instances, and only when all stand still their files.
///
/// # Errors
/// A refusal: a transaction that runs, a service that is not there.
pub fn down(request: &DownRequest, observed: &Observed) -> Result<Plan, Fault> {
    refuse_running(&request.app, &request.environment, observed)?;
    refuse_unknown(&request.services, &request.environment, observed)?;
    let mut removals = Vec::new();
    let mut lines = Vec::new();
    for (name, service) in &observed.services {
        if !request.services.is_empty() && !request.services.contains(name) {
            continue;
        }
        let Some(removal) = removal(name, service, request.volumes)? else { continue };
        lines.push(removed_line(&removal, "taken away"));
        removals.push(removal);
    }
    let draft = Draft {
        kind: PlanKind::Down,
        app: &request.app,
        environment: &request.environment,
        version: request.version.clone(),
        observed,
    };
    draft.finish(Vec::new(), Vec::new(), &removals, lines)
}

/// What taking a service away needs to know; `None` when there is nothing of it.
pub(crate) fn removal(
    name: &ServiceName,
    service: &ObservedService,
    volumes: bool,
) -> Result<Option<Removal>, Fault> {
    let active = active_of(name, service)?.cloned();
    let mut running = running_of(service);
    // The active one is stopped even when no instance of it was seen: one may be about to start again.
    if let Some(active) = active.as_ref().filter(|active| crate::moves::runs(active)) {
        running.retain(|release| release.id != active.id);
        running.insert(0, active.clone());
    }
    let newest = service.releases.last().map(|known| known.release.clone());
    let Some(last) = active.clone().or(newest) else { return Ok(None) };
    Ok(Some(Removal { name: name.clone(), active, running, last, volumes }))
}

/// The line of a service that is taken away.
pub(crate) fn removed_line(removal: &Removal, reason: &str) -> ServicePlan {
    let volumes: Vec<String> = removal.last.spec.volumes.keys().map(|name| format!("`{name}`")).collect();
    let mut notes = Vec::new();
    if !volumes.is_empty() {
        let fate = if removal.volumes { "removed with all they hold" } else { "kept" };
        notes.push(format!("volumes {fate}: {}", volumes.join(", ")));
    }
    ServicePlan {
        service: removal.name.clone(),
        change: Change::Remove,
        from: removal.active.as_ref().map(|active| active.id.clone()),
        to: None,
        strategy: removal.last.spec.strategy,
        forecast: Forecast { pause: Pause::Down, pause_ms: 0, reason: reason.to_owned() },
        url: None,
        notes,
    }
}
