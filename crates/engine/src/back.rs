//! How each step is taken back, as data.
//!
//! Taken back in reverse order, a `restart` is held again, its new release stopped, its old one started and awaited,
//! and only then are requests let through to it; every other strategy is switched back to the whole old release before
//! the new one is drained and stopped. A release that was started, or got requests, in several steps is taken back with
//! the first of them.
//! Each action can be done twice, and does no harm where its step was never done.

use landfall_model::{Kind, PlanKind, ReleaseId, Step};

use crate::outlook::Outlook;

/// One action of taking back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Back {
    /// Removes what was prepared.
    Discard(ReleaseId),
    /// Waits for the requests under way to it.
    Drain(ReleaseId),
    /// Stops the instances that were started.
    Stop(ReleaseId),
    /// Starts again what was stopped or is being drained.
    Start(ReleaseId),
    /// Waits for it.
    Await(ReleaseId),
    /// Holds requests until the old release is there again.
    Hold(ReleaseId),
    /// Sends requests to the old release.
    Switch(ReleaseId),
    /// Takes away a route that was not there before.
    Unroute(ReleaseId),
    /// Says again that `from` serves and `to` does not.
    Ledger {
        /// The one that served.
        from: Option<ReleaseId>,
        /// The one that was to.
        to: ReleaseId,
    },
}

/// What takes step `index` back, in order; nothing when the step changes nothing or when others take it back with them.
pub(crate) fn actions(outlook: &Outlook<'_>, index: usize) -> Vec<Back> {
    match &outlook.plan.steps[index] {
        Step::Prepare { release } if outlook.plan.kind == PlanKind::Deploy => {
            vec![Back::Discard(release.clone())]
        }
        Step::Start { release, .. }
            if outlook.is_first_start(release, index)
                && !outlook.is_mixed_before(release.service(), index) =>
        {
            match outlook.taken_from(release) {
                // Compose makes one of the other again; stopped in between, all of it would be down for longer.
                Some(from) => vec![Back::Start(from.clone()), Back::Await(from.clone())],
                None => end(release),
            }
        }
        Step::Roll { from, to, .. } if outlook.is_first_mix(from.service(), index) => {
            let mut actions = switch_back(outlook, from);
            // Where room was made first, the new release was started later, and goes only now.
            actions.extend(end(to));
            actions
        }
        Step::Shift { from, .. } if outlook.is_first_mix(from.service(), index) => {
            let mut actions = switch_back(outlook, from);
            // Away from the new release first: the old one runs still, unless the machine was restarted since.
            if let [_, awaited, switch] = actions.as_mut_slice() {
                std::mem::swap(awaited, switch);
            }
            actions
        }
        Step::Shrink { release, .. } => vec![Back::Start(release.clone()), Back::Await(release.clone())],
        Step::Stop { release } => stop(outlook, release),
        Step::Hold { release } => vec![Back::Switch(release.clone())],
        Step::Switch { from, to } => switch(outlook, index, from.as_ref(), to),
        Step::Unroute { release } => {
            // Where the old release was stopped first, its route comes back with it.
            let later = outlook.stopped_before(release, index) || outlook.held_before(release, index);
            if later { Vec::new() } else { switch_back(outlook, release) }
        }
        Step::Retire { release, .. } => vec![Back::Start(release.clone()), Back::Await(release.clone())],
        Step::Prepare { .. }
        | Step::Test { .. }
        | Step::Start { .. }
        | Step::AwaitHealthy { .. }
        | Step::Roll { .. }
        | Step::Shift { .. }
        | Step::Judge { .. }
        | Step::ReadBack { .. }
        | Step::Prune { .. }
        | Step::Remove { .. } => Vec::new(),
    }
}

/// A release that gets no more requests goes.
fn end(release: &ReleaseId) -> Vec<Back> {
    vec![Back::Drain(release.clone()), Back::Stop(release.clone())]
}

fn stop(outlook: &Outlook<'_>, release: &ReleaseId) -> Vec<Back> {
    // Releases that were being drained anyway stay stopped.
    if outlook.from(release.service()) != Some(release) {
        return Vec::new();
    }
    let mut actions = vec![Back::Start(release.clone()), Back::Await(release.clone())];
    if let Some(to) = outlook.line(release.service()).and_then(|line| line.to.clone()) {
        actions.push(Back::Ledger { from: Some(release.clone()), to });
    }
    actions
}

fn switch(outlook: &Outlook<'_>, index: usize, from: Option<&ReleaseId>, to: &ReleaseId) -> Vec<Back> {
    let routed = |id: &ReleaseId| outlook.release(id).is_ok_and(|release| release.spec.route.is_some());
    let mut actions = Vec::new();
    match from {
        Some(from) if outlook.held_before(from, index) => actions.push(Back::Hold(to.clone())),
        Some(from) if routed(from) && !outlook.unrouted_before(from, index) => {
            actions.extend(switch_back(outlook, from));
        }
        _ if routed(to) => actions.push(Back::Unroute(to.clone())),
        _ => {}
    }
    // Where the old release was stopped, the ledger waits until it runs again.
    if !from.is_some_and(|from| outlook.stopped_before(from, index)) {
        actions.push(Back::Ledger { from: from.cloned(), to: to.clone() });
    }
    actions
}

/// The old release runs still, unless the machine was restarted since.
fn switch_back(outlook: &Outlook<'_>, old: &ReleaseId) -> Vec<Back> {
    let site = outlook.release(old).is_ok_and(|release| release.spec.kind == Kind::Site);
    let switch = Back::Switch(old.clone());
    if site { vec![switch] } else { vec![Back::Start(old.clone()), Back::Await(old.clone()), switch] }
}

/// The order in which steps are taken back: in reverse, but for routes that were taken away, which come back last: what
/// took a route over may let go of it only when its old release serves again.
pub(crate) fn order(steps: &[Step]) -> Vec<usize> {
    let unroutes = |index: &usize| matches!(steps[*index], Step::Unroute { .. });
    let (last, first): (Vec<usize>, Vec<usize>) = (0..steps.len()).rev().partition(unroutes);
    first.into_iter().chain(last).collect()
}
