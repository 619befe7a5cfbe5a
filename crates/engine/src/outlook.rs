//! What the order of a plan's steps means, worked out once: from where on nothing is taken back, where requests are
//! held, which release a service comes from.

use std::collections::HashMap;

use landfall_model::{
    Change, ChangeKind, Fault, Plan, PlanKind, Release, ReleaseId, ServiceName, ServicePlan, Step,
};

/// A plan with the places of its steps.
pub(crate) struct Outlook<'a> {
    pub(crate) plan: &'a Plan,
    lines: HashMap<&'a ServiceName, &'a ServicePlan>,
    /// The first `Hold`, `Stop` and `Unroute` of a release.
    holds: HashMap<&'a ReleaseId, usize>,
    stops: HashMap<&'a ReleaseId, usize>,
    unroutes: HashMap<&'a ReleaseId, usize>,
    /// The first `Start` of a release, and the first `Roll` or `Shift` of a service.
    starts: HashMap<&'a ReleaseId, usize>,
    mixes: HashMap<&'a ServiceName, usize>,
    shifts: HashMap<&'a ServiceName, usize>,
    switches: HashMap<&'a ServiceName, usize>,
    read_backs: HashMap<&'a ServiceName, usize>,
    /// The first step whose failure takes nothing back.
    pub(crate) commit: usize,
}

impl<'a> Outlook<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        let mut outlook = Self {
            plan,
            lines: plan.services.iter().map(|line| (&line.service, line)).collect(),
            holds: HashMap::new(),
            stops: HashMap::new(),
            unroutes: HashMap::new(),
            starts: HashMap::new(),
            mixes: HashMap::new(),
            shifts: HashMap::new(),
            switches: HashMap::new(),
            read_backs: HashMap::new(),
            commit: commit(&plan.steps),
        };
        for (index, step) in plan.steps.iter().enumerate() {
            match step {
                Step::Hold { release } => _ = outlook.holds.entry(release).or_insert(index),
                Step::Stop { release } => _ = outlook.stops.entry(release).or_insert(index),
                Step::Unroute { release } => _ = outlook.unroutes.entry(release).or_insert(index),
                Step::Start { release, .. } => _ = outlook.starts.entry(release).or_insert(index),
                Step::Roll { to, .. } => _ = outlook.mixes.entry(to.service()).or_insert(index),
                Step::Shift { to, .. } => {
                    outlook.mixes.entry(to.service()).or_insert(index);
                    outlook.shifts.entry(to.service()).or_insert(index);
                }
                Step::Switch { to, .. } => _ = outlook.switches.insert(to.service(), index),
                Step::ReadBack { release } => _ = outlook.read_backs.insert(release.service(), index),
                _ => {}
            }
        }
        outlook
    }

    /// A release that a step speaks of.
    pub(crate) fn release(&self, id: &ReleaseId) -> Result<&'a Release, Fault> {
        self.plan
            .releases
            .get(id)
            .ok_or_else(|| Fault::internal(format!("the plan speaks of {id} and does not carry it")))
    }

    pub(crate) fn line(&self, service: &ServiceName) -> Option<&'a ServicePlan> {
        self.lines.get(service).copied()
    }

    /// The release that served a service when the plan was made.
    pub(crate) fn from(&self, service: &ServiceName) -> Option<&'a ReleaseId> {
        self.line(service).and_then(|line| line.from.as_ref())
    }

    /// Whether the service did not run well when the plan was made, or was to go whether it did or not: its old release
    /// is then owed a start, and no health.
    pub(crate) fn ailing(&self, service: &ServiceName) -> bool {
        self.line(service).is_some_and(|line| match &line.change {
            Change::Update { reasons } => reasons.iter().any(|why| matches!(why, ChangeKind::Drift { .. })),
            Change::Remove => true,
            Change::Create | Change::Unchanged => false,
        })
    }

    /// Whether the release is held before step `index`.
    pub(crate) fn held_before(&self, release: &ReleaseId, index: usize) -> bool {
        self.holds.get(release).is_some_and(|place| *place < index)
    }

    /// Whether the release is stopped before step `index`.
    pub(crate) fn stopped_before(&self, release: &ReleaseId, index: usize) -> bool {
        self.stops.get(release).is_some_and(|place| *place < index)
    }

    /// Whether the release's route is taken away before step `index`.
    pub(crate) fn unrouted_before(&self, release: &ReleaseId, index: usize) -> bool {
        self.unroutes.get(release).is_some_and(|place| *place < index)
    }

    /// Whether step `index` is the first that starts instances of the release.
    pub(crate) fn is_first_start(&self, release: &ReleaseId, index: usize) -> bool {
        self.starts.get(release) == Some(&index)
    }

    /// The release that a compose project is taken from when `release` is brought up; `None` where what runs is stopped, or
    /// stays beside it.
    pub(crate) fn taken_from(&self, release: &ReleaseId) -> Option<&'a ReleaseId> {
        let from = self.from(release.service()).filter(|from| *from != release)?;
        let project = |id| self.release(id).ok().and_then(Release::project);
        project(release).is_some_and(|name| project(from) == Some(name)).then_some(from)
    }

    /// Whether step `index` makes a new release out of what runs: an old one, or what somebody else may have started in a
    /// compose project that the manifest names.
    pub(crate) fn replaces(&self, index: usize) -> bool {
        let named = |id| {
            self.release(id).is_ok_and(|release: &Release| {
                release.spec.compose.as_ref().is_some_and(|compose| compose.project.is_some())
            })
        };
        let Step::Start { release, .. } = &self.plan.steps[index] else { return false };
        self.taken_from(release).is_some() || (self.from(release.service()).is_none() && named(release))
    }

    /// Whether step `index` is the first that sends requests of the service to two releases.
    pub(crate) fn is_first_mix(&self, service: &ServiceName, index: usize) -> bool {
        self.mixes.get(service) == Some(&index)
    }

    /// Whether requests of the service may go to two releases before step `index`.
    pub(crate) fn is_mixed_before(&self, service: &ServiceName, index: usize) -> bool {
        self.mixes.get(service).is_some_and(|first| *first < index)
    }

    /// Whether, before step `index`, a new release has got a share of the requests and not yet all: it is not known
    /// whether it is any good.
    pub(crate) fn unjudged_before(&self, index: usize) -> bool {
        self.shifts
            .iter()
            .any(|(service, begin)| *begin < index && self.switch_of(service).is_some_and(|s| index <= s))
    }

    /// The switch of a service; `None` when it is taken away.
    pub(crate) fn switch_of(&self, service: &ServiceName) -> Option<usize> {
        self.switches.get(service).copied()
    }

    /// The read back of a service; `None` when it is taken away.
    pub(crate) fn read_back_of(&self, service: &ServiceName) -> Option<usize> {
        self.read_backs.get(service).copied()
    }

    /// Whether, before step `index`, an old release is held, stopped or on its way to become the new one, whose service has not been switched.
    pub(crate) fn paused_before(&self, index: usize) -> bool {
        if self.plan.kind == PlanKind::Down {
            return false;
        }
        let replaced = self.starts.iter().filter(|(release, _)| self.taken_from(release).is_some());
        self.holds.iter().chain(&self.stops).chain(replaced).any(|(release, begin)| {
            *begin < index && self.switch_of(release.service()).is_some_and(|switch| index <= switch)
        })
    }
}

/// Behind the last read back; in a plan that only takes away, before the first thing that cannot come back.
fn commit(steps: &[Step]) -> usize {
    let last = steps.iter().rposition(|step| matches!(step, Step::ReadBack { .. }));
    last.map(|place| place + 1)
        .or_else(|| steps.iter().position(|step| matches!(step, Step::Remove { .. })))
        .unwrap_or(steps.len())
}
