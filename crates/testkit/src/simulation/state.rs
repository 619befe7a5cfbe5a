//! What the simulated host is made of, and how one effect changes it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use landfall_engine::Word;
use landfall_fx::host::Sample;
use landfall_model::{
    Change, Digest, Event, Fault as ModelFault, Kind, Plan, Release, ReleaseId, ReleaseState, Route, Runtime,
    ServiceName, Step, Strategy,
};

use super::{Fault, KILLED};

/// How a release behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// Boots and is healthy after 100 ms.
    #[default]
    Well,
    /// Its build fails.
    DoesNotBuild,
    /// Its tests fail.
    FailsTests,
    /// Its program is not there.
    DoesNotStart,
    /// It runs and never becomes healthy.
    NeverHealthy,
    /// It is healthy until requests come in.
    FailsInService,
    /// It is healthy, and every other request to it fails.
    FailsRequests,
}

/// How far a release's files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prepared {
    /// There are none.
    No,
    /// The engine was killed while they were laid out.
    Half,
    /// All there.
    Yes,
}

/// A release that the host knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The release.
    pub release: Release,
    /// Its files.
    pub prepared: Prepared,
    /// Where the ledger says that it stands.
    pub state: ReleaseState,
    /// Whether it ever served.
    pub served: bool,
}

/// A process that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// When it is healthy; `None` for never.
    pub healthy_at: Option<Duration>,
    /// Whether it is being drained.
    pub retiring: bool,
}

/// A route of the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteState {
    /// Where requests come in.
    pub route: Route,
    /// Who gets them.
    pub shares: Vec<ShareState>,
    /// Whether they are held.
    pub held: bool,
}

/// One release's part of a route's requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareState {
    /// Whose.
    pub release: ReleaseId,
    /// Its first so many instances get them.
    pub instances: u32,
    /// Its part is this of the sum of all.
    pub weight: u32,
}

impl RouteState {
    /// Whether the release gets requests.
    pub(super) fn sends_to(&self, id: &ReleaseId) -> bool {
        self.shares.iter().any(|share| share.release == *id && share.weight > 0)
    }
}

#[derive(Debug, Default, Clone)]
pub(super) struct State {
    pub(super) elapsed: Duration,
    pub(super) effects: u64,
    pub(super) faults: Vec<Fault>,
    pub(super) killed: bool,
    pub(super) cancelled: bool,
    /// The bytes that files may have together, once the disk is full.
    pub(super) full: Option<usize>,
    pub(super) files: BTreeMap<PathBuf, Vec<u8>>,
    pub(super) behaviours: BTreeMap<Digest, Behaviour>,
    pub(super) drain_at_once: bool,
    pub(super) releases: BTreeMap<ReleaseId, Known>,
    pub(super) active: BTreeMap<ServiceName, ReleaseId>,
    pub(super) previous: BTreeMap<ServiceName, ReleaseId>,
    pub(super) instances: BTreeMap<(ReleaseId, u32), Instance>,
    pub(super) routes: BTreeMap<ServiceName, RouteState>,
    pub(super) generation: u64,
    pub(super) events: Vec<Event>,
    /// Releases that have requests under way, as far as nobody waited for them.
    pub(super) busy: BTreeSet<ReleaseId>,
    /// What each release answered.
    pub(super) samples: BTreeMap<ReleaseId, Sample>,
    /// What a person says.
    pub(super) word: Option<Word>,
    /// Services that must be answered or held.
    served: BTreeSet<ServiceName>,
    /// Services of which never two releases run.
    exclusive: BTreeSet<ServiceName>,
    pub(super) violations: Vec<String>,
}

/// What the faults make of an effect.
pub(super) enum Luck {
    Good,
    /// It fails.
    Bad,
    /// It is done, and the engine is killed then.
    Last,
}

pub(super) fn killed() -> ModelFault {
    ModelFault::internal(KILLED)
}

impl State {
    /// Counts an effect and says what becomes of it.
    pub(super) fn count(&mut self) -> Result<Luck, ModelFault> {
        if self.killed {
            return Err(killed());
        }
        self.effects += 1;
        let number = self.effects;
        let mut luck = Luck::Good;
        for fault in self.faults.clone() {
            match fault {
                Fault::Fail(at) if at == number => luck = Luck::Bad,
                Fault::KillBefore(at) if at == number => {
                    self.killed = true;
                    return Err(killed());
                }
                Fault::KillAfter(at) if at == number => luck = Luck::Last,
                Fault::Full(at) if at == number => self.full = Some(self.used()),
                Fault::Cancel(at) if at == number => self.cancelled = true,
                Fault::Promote(at) if at == number => self.word = Some(Word::Promote),
                Fault::Abort(at) if at == number => self.word = Some(Word::Abort),
                _ => {}
            }
        }
        Ok(luck)
    }

    /// One effect on the host: counted, perhaps failing, checked afterwards.
    pub(super) fn effect(&mut self, what: &str, change: impl FnOnce(&mut Self)) -> Result<(), ModelFault> {
        match self.count()? {
            Luck::Bad => return Err(ModelFault::machine(format!("{what} failed by bad luck"))),
            Luck::Good => {
                change(self);
                self.check(what);
            }
            Luck::Last => {
                change(self);
                self.check(what);
                self.killed = true;
                return Err(killed());
            }
        }
        Ok(())
    }

    pub(super) fn used(&self) -> usize {
        self.files.values().map(Vec::len).sum()
    }

    pub(super) fn behaviour(&self, release: &Release) -> Behaviour {
        self.behaviours.get(&release.artifact).copied().unwrap_or_default()
    }

    /// The releases of a service that have an instance.
    pub(super) fn running(&self, service: &ServiceName) -> BTreeSet<ReleaseId> {
        self.instances.keys().map(|(id, _)| id).filter(|id| id.service() == service).cloned().collect()
    }

    /// The releases whose compose project becomes that of `release` when it starts.
    pub(super) fn in_place_of(&self, release: &Release) -> Vec<ReleaseId> {
        if release.spec.runtime != Runtime::Compose {
            return Vec::new();
        }
        let compose = |id: &ReleaseId| {
            self.releases.get(id).is_some_and(|known| known.release.spec.runtime == Runtime::Compose)
        };
        let others = self.running(release.service()).into_iter();
        others.filter(|id| *id != release.id && compose(id)).collect()
    }

    pub(super) fn is_running(&self, id: &ReleaseId) -> bool {
        self.instances.keys().any(|(running, _)| running == id)
    }

    pub(super) fn healthy(&self, instance: &Instance) -> bool {
        instance.healthy_at.is_some_and(|at| at <= self.elapsed)
    }

    /// Whether every request for the service is answered or held, whoever it goes to.
    pub(super) fn answered(&self, service: &ServiceName) -> bool {
        let Some(route) = self.routes.get(service) else { return false };
        route.held || route.shares.iter().all(|share| share.weight == 0 || self.answers(share))
    }

    fn answers(&self, share: &ShareState) -> bool {
        let Some(target) = self.releases.get(&share.release) else { return false };
        let files = target.release.spec.kind == Kind::Site && target.prepared == Prepared::Yes;
        let of_it = |(id, ordinal): &(ReleaseId, u32)| *id == share.release && *ordinal <= share.instances;
        let mut instances = self.instances.iter().filter(|(key, _)| of_it(key));
        files || instances.any(|(_, instance)| self.healthy(instance))
    }

    /// Whoever gets requests now has some under way.
    pub(super) fn set_route(&mut self, service: &ServiceName, route: RouteState) {
        let sent = route.shares.iter().filter(|share| share.weight > 0 && !route.held);
        self.busy.extend(sent.map(|share| share.release.clone()));
        self.routes.insert(service.clone(), route);
    }

    /// Nothing is under way to a release that gets no more requests.
    pub(super) fn waited_for(&mut self, id: &ReleaseId) {
        if !self.routes.get(id.service()).is_some_and(|route| !route.held && route.sends_to(id)) {
            self.busy.remove(id);
        }
    }

    /// To be called when instances are stopped at once.
    pub(super) fn check_idle(&mut self, id: &ReleaseId) {
        let service = id.service();
        if self.busy.contains(id) && !self.exclusive.contains(service) {
            self.violations
                .push(format!("{id} is stopped with requests under way (effect {})", self.effects));
        }
    }

    /// Both releases of a split answer for a while.
    pub(super) fn answer(&mut self, service: &ServiceName) {
        let Some(route) = self.routes.get(service).cloned() else { return };
        for share in route.shares.iter().filter(|share| share.weight > 0) {
            let bad = self.releases.get(&share.release).map(|known| self.behaviour(&known.release));
            let sample = self.samples.entry(share.release.clone()).or_default();
            let requests = u64::from(share.weight) * 10;
            sample.requests += requests;
            sample.errors += if bad == Some(Behaviour::FailsRequests) { requests / 2 } else { 0 };
            match sample.latency.first_mut() {
                Some((_, count)) => *count += requests,
                None => sample.latency.push((5_000, requests)),
            }
        }
    }

    pub(super) fn watch(&mut self, plan: &Plan) {
        self.violations.clear();
        self.served.clear();
        self.exclusive.clear();
        for line in &plan.services {
            let to = line.to.as_ref().and_then(|to| plan.releases.get(to));
            let loses = plan
                .steps
                .iter()
                .any(|step| matches!(step, Step::Unroute { release } if *release.service() == line.service));
            if line.change != Change::Remove && !loses && self.answered(&line.service) {
                self.served.insert(line.service.clone());
            }
            if to.is_some_and(|to| to.spec.strategy == Strategy::Restart && to.spec.kind != Kind::Site) {
                self.exclusive.insert(line.service.clone());
            }
        }
    }

    fn check(&mut self, what: &str) {
        let unanswered: Vec<String> = self
            .served
            .iter()
            .filter(|service| !self.answered(service))
            .map(|service| {
                format!("after `{what}` (effect {}) nothing answers for `{service}`", self.effects)
            })
            .collect();
        self.violations.extend(unanswered);
    }

    /// To be called before an instance of `id` is made.
    pub(super) fn check_alone(&mut self, id: &ReleaseId) {
        let service = id.service();
        if let Some(other) = self.running(service).into_iter().find(|other| other != id)
            && self.exclusive.contains(service)
        {
            self.violations.push(format!("{id} is started while {other} runs (effect {})", self.effects));
        }
    }

    pub(super) fn boot(&mut self, release: &Release, ordinal: u32) {
        let healthy_at = match self.behaviour(release) {
            Behaviour::NeverHealthy => None,
            _ => Some(self.elapsed + Duration::from_millis(100)),
        };
        self.instances.insert((release.id.clone(), ordinal), Instance { healthy_at, retiring: false });
    }

    pub(super) fn settle(&mut self) {
        let gone: Vec<_> =
            self.instances.iter().filter(|(_, i)| i.retiring).map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.instances.remove(&key);
            self.drained(&key.0);
        }
    }

    /// The agent's word that a release is drained.
    pub(super) fn drained(&mut self, id: &ReleaseId) {
        if let Some(known) = self.releases.get_mut(id).filter(|known| known.state == ReleaseState::Retiring) {
            known.state = ReleaseState::Kept;
        }
    }

    pub(super) fn reboot(&mut self) {
        self.served.clear();
        self.busy.clear();
        let before = std::mem::take(&mut self.instances);
        for id in self.active.values().cloned().collect::<Vec<_>>() {
            let Some(known) = self.releases.get(&id).cloned() else { continue };
            if known.release.spec.kind != Kind::Site && known.prepared == Prepared::Yes {
                let stay = before.iter().filter(|((of, _), instance)| *of == id && !instance.retiring);
                for (_, ordinal) in stay.map(|(key, _)| key) {
                    self.boot(&known.release, *ordinal);
                }
            }
        }
        for id in self.releases.keys().cloned().collect::<Vec<_>>() {
            self.drained(&id);
        }
        self.elapsed += Duration::from_secs(30);
    }

    pub(super) fn sicken(&mut self) {
        for id in self.active.values() {
            if let Some(instance) = self.instances.get_mut(&(id.clone(), 1)) {
                instance.healthy_at = None;
            }
        }
    }
}
