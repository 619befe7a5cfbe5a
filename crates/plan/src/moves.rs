//! One service's move from the release that serves to the one that is to: which steps, in which order.
//!
//! Old and new may differ in everything: kind, route, strategy. The new release's strategy counts, as far as it can be
//! followed. A `restart` never has two releases at once, so that every release of the service that runs is stopped
//! before the new one starts; a site has no instances, so that it can always change over with nothing but the switch.

use landfall_model::{Kind, Millis, Release, ReleaseId, Step};

use crate::manner::Manner;

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
    /// Whether the new release was never tested: it does not go back.
    pub(crate) fresh: bool,
    /// How both stand when the plan is made.
    pub(crate) standing: Standing,
    /// Whether another service took over its old route earlier in the plan.
    pub(crate) unrouted: bool,
    /// The releases whose route must be free before the switch.
    pub(crate) displaces: Vec<ReleaseId>,
}

/// What was seen of a move's two releases.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Standing {
    /// Whether an instance of the old one is well.
    pub(crate) well: bool,
    /// Whether every instance of the new one runs already: it served before, and is kept warm or drained still.
    pub(crate) waiting: bool,
}

/// Whether a release has instances.
pub(crate) fn runs(release: &Release) -> bool {
    release.spec.kind != Kind::Site
}

impl Move<'_> {
    /// Whether what runs is stopped before the new release starts.
    pub(crate) fn replaces(&self) -> bool {
        self.manner() == Manner::Restart
            && runs(&self.new)
            && (self.old.is_some_and(runs) || !self.others.is_empty())
    }

    /// Whether what runs becomes the new release without being stopped: one compose project, which belongs to one release
    /// at a time.
    pub(crate) fn in_place(&self) -> bool {
        self.new.project().is_some_and(|project| self.old.and_then(Release::project) == Some(project))
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
            let old = self.old.filter(|old| runs(old) && !self.in_place()).into_iter();
            let stopped = old.chain(&self.others).map(|release| release.id.clone());
            steps.extend(stopped.map(|release| Step::Stop { release }));
        }
        steps.extend(self.bring_up());
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

    /// Starts the new release, and with batches and shares everything that comes before the switch.
    fn bring_up(&self) -> Vec<Step> {
        if !runs(&self.new) && !matches!(self.manner(), Manner::Canary(_)) {
            return Vec::new();
        }
        let to = &self.new.id;
        let start = |upto| {
            [Step::Start { release: to.clone(), upto }, Step::AwaitHealthy { release: to.clone(), upto }]
        };
        let all = || start(None).into_iter().filter(|_| runs(&self.new));
        match (self.manner(), self.old) {
            (Manner::Rolling(batches), Some(old)) => {
                let mut steps = Vec::new();
                let mut before = old.spec.replicas;
                for batch in batches {
                    steps.extend(batch.start.into_iter().flat_map(|upto| start(Some(upto))));
                    if self.new.spec.route.is_some() {
                        let (from, to) = (old.id.clone(), to.clone());
                        steps.push(Step::Roll { from, to, old: batch.old, new: batch.new });
                    }
                    // What is to be kept warm goes when all is over.
                    if batch.old < before && self.new.spec.warm.is_zero() {
                        steps.push(Step::Shrink { release: old.id.clone(), left: batch.old });
                    }
                    before = batch.old;
                }
                steps.extend(all());
                steps
            }
            (Manner::Canary(shares), Some(old)) => {
                let mut steps: Vec<Step> = all().collect();
                for percent in shares {
                    let (from, to) = (old.id.clone(), to.clone());
                    steps.push(Step::Shift { from: from.clone(), to: to.clone(), percent });
                    steps.push(Step::Judge { from, to, percent });
                }
                steps
            }
            _ => all().collect(),
        }
    }

    pub(crate) fn read_back(&self) -> Step {
        Step::ReadBack { release: self.new.id.clone() }
    }

    /// Hands what ran before over for draining, unless it was stopped or has nothing to stop.
    pub(crate) fn retire(&self) -> Vec<Step> {
        if self.replaces() {
            return Vec::new();
        }
        let warm = self.new.spec.warm;
        let old = self.old.filter(|old| runs(old)).map(|old| Step::Retire { release: old.id.clone(), warm });
        let left = self.left.iter().map(|id| Step::Retire { release: id.clone(), warm: Millis(0) });
        old.into_iter().chain(left).collect()
    }

    pub(crate) fn prune(&self) -> Step {
        Step::Prune { service: self.new.service().clone(), keep: self.new.spec.keep }
    }
}
