//! Whether what should run does.

use landfall_model::{InstanceState, Kind, ObservedService, Release};

/// What is wrong with the instances of the release that serves, as people read it; `None` when all are healthy.
pub(crate) fn drift(service: &ObservedService, active: &Release) -> Option<String> {
    if active.spec.kind == Kind::Site {
        return None;
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
    let what = match first {
        Some(InstanceState::Booting) => "is still booting",
        Some(InstanceState::Unhealthy) => "is unhealthy",
        Some(InstanceState::BackingOff) => "ends again and again",
        Some(InstanceState::Stopping | InstanceState::Stopped | InstanceState::Healthy) | None => {
            "does not run"
        }
    };
    let more = bad.count();
    let more = if more == 0 { String::new() } else { format!(", and {more} more are not healthy") };
    Some(format!("instance {ordinal} of {total} {what}{more}"))
}
