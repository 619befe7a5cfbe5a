//! Whether what should run does.

use landfall_model::{InstanceState, InstanceStatus, Kind, ObservedService, Release, Runtime};

/// What is wrong with the instances of the release that serves, as people read it; `None` when all are healthy.
pub(crate) fn drift(service: &ObservedService, active: &Release) -> Option<String> {
    if active.spec.kind == Kind::Site {
        return None;
    }
    if active.spec.runtime == Runtime::Compose {
        return in_project(service, active);
    }
    let total = active.spec.replicas;
    let state = |ordinal: u32| {
        service
            .instances
            .iter()
            .find(|instance| instance.release == active.id && instance.ordinal == ordinal)
            .map(|instance| instance.state)
    };
    if let Some((ordinal, drift)) = service
        .instances
        .iter()
        .filter(|instance| instance.release == active.id && instance.ordinal <= total)
        .find_map(|instance| Some((instance.ordinal, instance.drift.as_ref()?)))
    {
        return Some(format!("instance {ordinal} of {total} {drift}"));
    }
    let mut bad = (1..=total)
        .map(|ordinal| (ordinal, state(ordinal)))
        .filter(|(_, state)| *state != Some(InstanceState::Healthy));
    let (ordinal, first) = bad.next()?;
    let what = first.map_or("does not run", ails);
    let more = bad.count();
    let more = if more == 0 { String::new() } else { format!(", and {more} more are not healthy") };
    Some(format!("instance {ordinal} of {total} {what}{more}"))
}

/// What is wrong with a compose project: the first thing that is not what was deployed, else the first container that is
/// not well.
fn in_project(service: &ObservedService, active: &Release) -> Option<String> {
    let all: Vec<&InstanceStatus> =
        service.instances.iter().filter(|instance| instance.release == active.id).collect();
    let drift = |instance: &&InstanceStatus| {
        let drift = instance.drift.as_ref()?;
        Some(instance.container.as_ref().map_or_else(|| drift.clone(), |name| format!("{name} {drift}")))
    };
    if let Some(drift) = all.iter().find_map(drift) {
        return Some(drift);
    }
    let mut bad = all.iter().filter(|instance| instance.state != InstanceState::Healthy);
    let Some(first) = bad.next() else { return all.is_empty().then(|| "it does not run".to_owned()) };
    let name = first.container.as_deref().unwrap_or("it");
    let more = bad.count();
    let more = if more == 0 { String::new() } else { format!(", and {more} more are not healthy") };
    Some(format!("{name} {}{more}", ails(first.state)))
}

fn ails(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Booting => "is still booting",
        InstanceState::Unhealthy => "is unhealthy",
        InstanceState::BackingOff => "ends again and again",
        InstanceState::Stopping | InstanceState::Stopped | InstanceState::Healthy => "does not run",
    }
}
