//! What no plan is made for, and the small questions to what was observed that all plans ask.

use landfall_model::{
    AppName, EnvironmentName, Fault, Observed, ObservedService, PlanKind, Release, ReleaseId, ReleaseState,
    ServiceName, Version,
};

/// Refuses while a transaction runs; one that is open but at rest is finished or undone by whoever asks next.
pub(crate) fn refuse_running(
    app: &AppName,
    environment: &EnvironmentName,
    observed: &Observed,
) -> Result<(), Fault> {
    let Some(open) = observed.open.as_ref().filter(|open| open.running) else { return Ok(()) };
    let kind = match open.kind {
        PlanKind::Deploy => "deploy",
        PlanKind::Rollback => "rollback",
        PlanKind::Down => "down",
    };
    let holder = open.lease.as_ref().map_or_else(String::new, |lease| format!(" by {}", lease.holder));
    Err(Fault::refused(format!(
        "{kind} {} of `{app}` in `{environment}`{holder} has been running since {} and is at step {} of {}: {}",
        open.transaction,
        open.begun,
        (open.done + 1).min(open.steps.max(1)),
        open.steps,
        open.doing
    ))
    .help(format!("wait until it has ended (`landfall status {environment}` shows it), then try again")))
}

/// Refuses a version that the place has seen, or that is not later than all it has seen.
pub(crate) fn refuse_used(version: &Version, observed: &Observed) -> Result<(), Fault> {
    let Some(newest) = observed.newest_moment.as_deref().filter(|newest| version.moment() <= *newest) else {
        return Ok(());
    };
    Err(Fault::refused(format!(
        "version {version} is not later than {newest}, the newest moment that a version here carries"
    ))
    .help("a version is never used twice: make a new plan, which gets a later one"))
}

/// The release of a service by its name.
pub(crate) fn release_of<'a>(service: &'a ObservedService, id: &ReleaseId) -> Option<&'a Release> {
    service.releases.iter().map(|known| &known.release).find(|release| release.id == *id)
}

/// The release of a service that serves; `None` when none does.
pub(crate) fn active_of<'a>(
    name: &ServiceName,
    service: &'a ObservedService,
) -> Result<Option<&'a Release>, Fault> {
    let Some(id) = service.active.as_ref() else { return Ok(None) };
    release_of(service, id).map(Some).ok_or_else(|| {
        Fault::internal(format!("the state says that `{name}` runs {id}, a release which it does not know"))
    })
}

/// Whether a release can serve again: it did once, and its files are there.
pub(crate) fn can_return(state: ReleaseState) -> bool {
    matches!(state, ReleaseState::Kept | ReleaseState::Retiring | ReleaseState::Active)
}

/// Fails for the first of `services` that the place does not have.
pub(crate) fn refuse_unknown(
    services: &[ServiceName],
    environment: &EnvironmentName,
    observed: &Observed,
) -> Result<(), Fault> {
    let Some(unknown) = services.iter().find(|name| !observed.services.contains_key(*name)) else {
        return Ok(());
    };
    let known: Vec<String> = observed.services.keys().map(|name| format!("`{name}`")).collect();
    let help = if known.is_empty() {
        format!("nothing is deployed in `{environment}`")
    } else {
        format!("in `{environment}` there are {}", known.join(", "))
    };
    Err(Fault::refused(format!("there is no service `{unknown}` in `{environment}`")).help(help))
}
