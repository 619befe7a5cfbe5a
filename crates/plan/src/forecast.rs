//! What a person who sends requests will notice while a service moves.

use landfall_model::{Canary, Forecast, Millis, ObservedService, Pause, Release, Spec, Strategy};

use crate::manner::Manner;
use crate::moves::{Move, runs};

/// What a stop and a boot are taken to last, in milliseconds, as long as none was measured.
pub(crate) const UNMEASURED_MS: u64 = 2_000;

/// What a stop alone is taken to last, in milliseconds: a first release has booted and was never stopped.
const UNMEASURED_STOP_MS: u64 = 500;

/// The forecast for a move.
pub(crate) fn forecast(shift: &Move<'_>, observed: Option<&ObservedService>) -> Forecast {
    let down = |pause_ms, reason: &str| Forecast { pause: Pause::Down, pause_ms, reason: reason.to_owned() };
    let Some(old) = shift.old else { return down(0, "new") };
    if shift.unrouted {
        return down(0, "another service takes its address before it gets its new one");
    }
    match (&old.spec.route, &shift.new.spec.route) {
        (Some(_), None) => return down(0, "it has no route any more"),
        (None, Some(_)) => return down(0, "its route is new"),
        (Some(_) | None, _) => {}
    }
    if !shift.replaces() {
        return Forecast::none(unnoticed(shift));
    }
    let (pause_ms, guessed) = if shift.in_place() { boot(observed) } else { length(observed) };
    let mut reason = if shift.in_place() {
        "docker compose replaces the containers that change".to_owned()
    } else {
        reason(&old.spec, &shift.new.spec)
    };
    reason.push_str(guessed);
    let pause = if shift.holds() { Pause::Held } else { Pause::Down };
    if pause == Pause::Down && !runs(old) {
        return Forecast::none("the old files are served until the new release is healthy");
    }
    Forecast { pause, pause_ms, reason }
}

/// Why nobody notices.
fn unnoticed(shift: &Move<'_>) -> String {
    let times = |count: usize, one: &str, more: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {more}"),
    };
    match shift.manner() {
        Manner::Rolling(batches) => {
            let batches = times(batches.len() + 1, "batch", "batches");
            format!("{batches}, new instances healthy before old ones are drained")
        }
        Manner::Canary(steps) => {
            let steps = times(steps.len(), "step", "steps");
            format!("{steps}, taken back as soon as it does worse than the old release")
        }
        Manner::BlueGreen | Manner::Restart if runs(&shift.new) => {
            "the new release is healthy before the old one is drained".to_owned()
        }
        Manner::BlueGreen | Manner::Restart => "files change over at once".to_owned(),
    }
}

/// How long a stop and a boot last, and which of them is a guess, as people read it behind the reason.
fn length(observed: Option<&ObservedService>) -> (u64, &'static str) {
    match observed.map(|service| (service.boot_ms, service.stop_ms)) {
        Some((Some(boot), Some(stop))) => (boot.saturating_add(stop), ""),
        Some((Some(boot), None)) => (boot.saturating_add(UNMEASURED_STOP_MS), "; no measured stop yet"),
        Some((None, _)) | None => (UNMEASURED_MS, "; no measured boot yet"),
    }
}

/// How long a boot alone lasts, and whether that is a guess.
fn boot(observed: Option<&ObservedService>) -> (u64, &'static str) {
    match observed.and_then(|service| service.boot_ms) {
        Some(boot) => (boot, ""),
        None => (UNMEASURED_MS, "; no measured boot yet"),
    }
}

fn reason(old: &Spec, new: &Spec) -> String {
    let volumes: Vec<String> = new.volumes.keys().map(|name| format!("`{name}`")).collect();
    let volumes = if volumes.is_empty() {
        old.volumes.keys().map(|name| format!("`{name}`")).collect()
    } else {
        volumes
    };
    match volumes.as_slice() {
        [] if new.strategy == Strategy::Restart => "strategy `restart`".to_owned(),
        [] => "one instance and none beyond it".to_owned(),
        [volume] => format!("volume {volume} has one writer"),
        several => format!("volumes {} have one writer", several.join(", ")),
    }
}

/// Facts about a move that a person should know and that nothing else in the plan says.
pub(crate) fn notes(shift: &Move<'_>, forecast: &Forecast) -> Vec<String> {
    let mut notes = Vec::new();
    let new = &shift.new.spec;
    let old_route = shift.old.and_then(|old| old.spec.route.as_ref());
    if let (Some(before), Some(after)) = (old_route, &new.route)
        && before.url() != after.url()
    {
        notes.push(format!(
            "moves from {} to {}; the old address then answers no longer",
            before.url(),
            after.url()
        ));
    }
    if !shift.displaces.is_empty()
        && let Some(route) = &new.route
    {
        notes.push(format!(
            "{} belongs to another service until the switch: a moment without it",
            route.url()
        ));
    }
    if let Some(route) = &new.route
        && forecast.pause == Pause::Held
        && forecast.pause_ms > route.hold.time.0
    {
        notes.push(format!(
            "requests are held for at most {}, less than the forecast: some will get a 503",
            route.hold.time
        ));
    }
    notes.extend(shift.detour().and_then(|detour| detour.note(new.strategy)));
    if let (Manner::Canary(steps), Some(canary)) = (shift.manner(), &new.canary) {
        notes.push(lasts(&steps, canary));
    }
    let keeps_warm = shift.old.is_some_and(runs) && !shift.replaces() && !new.warm.is_zero();
    if let Some(old) = shift.old.filter(|_| keeps_warm) {
        notes.push(stays_warm(old, new));
    }
    let both_run = shift.old.is_some_and(runs) && runs(&shift.new) && !shift.replaces();
    if both_run && !new.volumes.is_empty() {
        let overlap = Millis(new.drain.0 + new.warm.0);
        notes.push(format!(
            "its volumes have two writers from the start of the new release until the old one is drained (at most {overlap})"
        ));
    }
    notes
}

/// How long a canary takes.
fn lasts(steps: &[u32], canary: &Canary) -> String {
    let count = u64::try_from(steps.len()).unwrap_or(u64::MAX);
    let (least, most) = (canary.hold.0.saturating_mul(count), canary.patience.0.saturating_mul(count));
    let shares: Vec<String> = steps.iter().map(|percent| format!("{percent} %")).collect();
    format!(
        "canary: {} of the requests, then all; takes {} if each step has its {} requests by then, at most {}",
        shares.join(", "),
        Millis(least),
        canary.requests,
        Millis(most.max(least))
    )
}

/// That the old instances stay.
fn stays_warm(old: &Release, new: &Spec) -> String {
    let count = match old.spec.replicas {
        1 => "the old instance stays".to_owned(),
        count => format!("the {count} old instances stay"),
    };
    format!("{count} warm for {} after the switch, so that a rollback is instant", new.warm)
}
