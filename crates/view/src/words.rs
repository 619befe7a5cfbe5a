//! The model's closed sets in the words people read.

use landfall_model::{Blame, Exit, FaultKind, InstanceState, Outcome, PlanKind, ReleaseId, Retry, Strategy};

use crate::style::Ink;

pub(crate) fn kind(kind: PlanKind) -> &'static str {
    match kind {
        PlanKind::Deploy => "deploy",
        PlanKind::Rollback => "rollback",
        PlanKind::Down => "down",
    }
}

pub(crate) fn strategy(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Restart => "restart",
        Strategy::Rolling => "rolling",
        Strategy::BlueGreen => "blue-green",
        Strategy::Canary => "canary",
    }
}

pub(crate) fn outcome(outcome: Option<Outcome>) -> (Ink, &'static str) {
    match outcome {
        Some(Outcome::Done) => (Ink::Good, "done"),
        Some(Outcome::Unchanged) => (Ink::Faint, "unchanged"),
        Some(Outcome::RolledBack) => (Ink::Bad, "taken back"),
        Some(Outcome::Interrupted) => (Ink::Warn, "interrupted"),
        Some(Outcome::NeedsPerson) => (Ink::Bad, "needs a person"),
        None => (Ink::Warn, "open"),
    }
}

pub(crate) fn state(state: InstanceState) -> (Ink, &'static str) {
    match state {
        InstanceState::Booting => (Ink::Warn, "booting"),
        InstanceState::Healthy => (Ink::Good, "healthy"),
        InstanceState::Unhealthy => (Ink::Bad, "unhealthy"),
        InstanceState::BackingOff => (Ink::Bad, "waits to restart"),
        InstanceState::Stopping => (Ink::Faint, "stopping"),
        InstanceState::Stopped => (Ink::Faint, "stopped"),
    }
}

/// Where the cause is, as a sentence.
pub(crate) fn blame(blame: Blame) -> &'static str {
    match blame {
        Blame::User => "The cause is in the manifest or the command.",
        Blame::Application => "The cause is in the application.",
        Blame::Machine => "The cause is in the machine: its disk, memory, permissions or ports.",
        Blame::Landfall => "The cause is in Landfall itself: please report it.",
    }
}

/// Whether trying again is safe, as a sentence.
pub(crate) fn retry(retry: Retry) -> &'static str {
    match retry {
        Retry::Safe => "Trying again is safe and may work.",
        Retry::AfterFix => "Trying again is safe once that is fixed.",
        Retry::Unsafe => "Do not try again before a person has looked.",
    }
}

/// What a fault of this kind means for what runs, as a sentence, where that follows from the kind alone.
pub(crate) fn consequence(kind: FaultKind) -> Option<&'static str> {
    match kind {
        FaultKind::Usage | FaultKind::Refused => Some("Nothing was changed."),
        FaultKind::NeedsPerson => Some("It needs a person."),
        FaultKind::Interrupted => Some("The journal is intact."),
        FaultKind::Internal | FaultKind::Failed => None,
    }
}

/// `exit code 1`, `signal KILL, out of memory`.
pub(crate) fn exit(exit: &Exit) -> String {
    let how = match (&exit.signal, exit.code) {
        (Some(signal), _) => format!("signal {signal}"),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => "ended unseen".to_owned(),
    };
    if exit.oom { format!("{how}, out of memory") } else { how }
}

/// A version, or that there is none.
pub(crate) fn version(release: Option<&ReleaseId>) -> String {
    release.map_or_else(|| "nothing".to_owned(), |id| id.version().to_string())
}
