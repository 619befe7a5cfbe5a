//! One service's move from the release that serves to the one that is to: which steps, in which order.
//!
//! Old and new may differ in everything: kind, route, strategy. The new release's strategy counts. A `restart` never
//! has two releases at once, so that every release of the service that runs is stopped before the new one starts; a
//! site has no instances, so that it can always change over with nothing but the switch.

use landfall_model::{Kind, Release, ReleaseId, Step, Strategy};

/// The move of one service.
#[derive(Debug)]
pub(crate) struct Move<'a> {
    /// The release that serves now.
    pub(crate) old: Option<&'a Release>,
    /// The one that serves afterwards.
    pub(crate) new: Release,
    /// Releases of the service that run beside both: being drained still, or left over.
    pub(crate) others: Vec<Release>,
    /// Those of them that nobody drains: an earlier deploy could not hand them over.
    pub(crate) left: Vec<ReleaseId>,
    /// Whether the new release was never tested.
    pub(crate) fresh: bool,
    /// Whether another service took over its old route earlier in the plan.
    pub(crate) unrouted: bool,
    /// The releases whose route must be free before the switch.
    pub(crate) displaces: Vec<ReleaseId>,
}

/// Whether a release has instances.
pub(crate) fn runs(release: &Release) -> bool {
    release.spec.kind != Kind::Site
}

impl Move<'_> {
    /// Whether what runs is stopped before the new release starts.
    pub(crate) fn replaces(&self) -> bool {
        self.new.spec.strategy == Strategy::Restart
            && runs(&self.new)
            && (self.old.is_some_and(runs) || !self.others.is_empty())
    }

    /// Whether requests are held meanwhile.
    pub(crate) fn holds(&self) -> bool {
        self.replaces() && !self.unrouted && self.old.is_some_and(|old| runs(old) && old.spec.route.is_some())
    }

    pub(crate) fn prepare(&self) -> Step {
        Step::Prepare { release: self.new.id.clone() }
    }

    pub(crate) fn test(&self) -> Option<Step> {
        let wanted = self.fresh && !self.new.spec.test.is_empty();
        wanted.then(|| Step::Test { release: self.new.id.clone() })
    }

    /// From the release that serves to the one that is to, up to and with the switch.
    pub(crate) fn take_over(&self) -> Vec<Step> {
        let new = || self.new.id.clone();
        let mut steps = Vec::new();
        if let Some(old) = self.old.filter(|_| self.holds()) {
            steps.push(Step::Hold { release: old.id.clone() });
        }
        if self.replaces() {
            let old = self.old.filter(|old| runs(old)).into_iter();
            let stopped = old.chain(&self.others).map(|release| release.id.clone());
            steps.extend(stopped.map(|release| Step::Stop { release }));
        }
        if runs(&self.new) {
            steps.push(Step::Start { release: new() });
            steps.push(Step::AwaitHealthy { release: new() });
        }
        steps.extend(self.displaces.iter().map(|release| Step::Unroute { release: release.clone() }));
        steps.push(Step::Switch { from: self.old.map(|old| old.id.clone()), to: new() });
        if let Some(old) = self.old
            && old.spec.route.is_some()
            && self.new.spec.route.is_none()
            && !self.unrouted
        {
            steps.push(Step::Unroute { release: old.id.clone() });
        }
        steps
    }

    pub(crate) fn read_back(&self) -> Step {
        Step::ReadBack { release: self.new.id.clone() }
    }

    /// Hands what ran before over for draining, unless it was stopped or has nothing to stop.
    pub(crate) fn retire(&self) -> Vec<Step> {
        if self.replaces() {
            return Vec::new();
        }
        let old = self.old.filter(|old| runs(old)).map(|old| old.id.clone());
        old.into_iter().chain(self.left.iter().cloned()).map(|release| Step::Retire { release }).collect()
    }

    pub(crate) fn prune(&self) -> Step {
        Step::Prune { service: self.new.service().clone(), keep: self.new.spec.keep }
    }
}
