//! What the engine does to the simulated host; what takes several effects on a real one takes several here.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_fx::host::{
    Host, Instances, Ledger, Metrics, Note, Part, Releases, Routes, Sample, Split, Task,
};
use landfall_model::{
    AppName, EnvironmentName, Fault, Kind, Millis, ReceiptInstance, Release, ReleaseId, ReleaseState,
    Requests, ServedArtifact, ServiceName, percentages,
};

use super::World;
use super::state::{Behaviour, Known, Prepared, RouteState, ShareState, State, killed};

impl World {
    /// The state for a question; a killed engine gets no answer.
    fn ask<T>(&self, answer: impl FnOnce(&State) -> T) -> Result<T, Fault> {
        let state = self.lock();
        if state.killed { Err(killed()) } else { Ok(answer(&state)) }
    }

    fn effect(&self, what: &str, change: impl FnOnce(&mut State)) -> Result<(), Fault> {
        self.lock().effect(what, change)
    }

    /// Makes the route of a release's service send its requests to these.
    fn put(&self, what: &str, release: &Release, parts: &[Part<'_>]) -> Result<Note, Fault> {
        let Some(route) = release.spec.route.clone() else { return Ok(None) };
        let key =
            |route: &landfall_model::Route| (route.listen.clone(), route.host.clone(), route.prefix.clone());
        let parts = parts.iter().filter(|part| part.weight > 0);
        let refused = self.ask(|state| {
            for part in parts.clone() {
                if part.release.spec.kind == Kind::Web && !state.is_running(&part.release.id) {
                    return Some(format!("{} does not run", part.release.id));
                }
            }
            let mut others = state.routes.iter().filter(|(service, _)| *service != release.service());
            let other = others.find(|(_, other)| key(&other.route) == key(&route));
            other.map(|(service, _)| format!("`{service}` holds {}", route.url()))
        })?;
        if let Some(why) = refused {
            return Err(Fault::machine(why));
        }
        let share = |part: &Part<'_>| ShareState {
            release: part.release.id.clone(),
            instances: part.instances,
            weight: part.weight,
        };
        let shares = parts.map(share).collect();
        self.effect(what, |state| {
            state.set_route(release.service(), RouteState { route, shares, held: false });
        })?;
        Ok(None)
    }

    fn set_prepared(&self, release: &Release, what: &str, prepared: Prepared) -> Result<(), Fault> {
        self.effect(what, |state| {
            if let Some(known) = state.releases.get_mut(&release.id) {
                known.prepared = prepared;
            }
        })
    }
}

impl Releases for World {
    fn prepare(&self, release: &Release, _task: &dyn Task) -> Result<Note, Fault> {
        if self.is_prepared(release)? {
            return Ok(Some("reused".to_owned()));
        }
        self.set_prepared(release, "prepare", Prepared::Half)?;
        if self.ask(|state| state.behaviour(release))? == Behaviour::DoesNotBuild {
            return Err(Fault::application("the build failed"));
        }
        self.set_prepared(release, "prepare", Prepared::Yes)?;
        Ok(None)
    }

    fn is_prepared(&self, release: &Release) -> Result<bool, Fault> {
        self.ask(|state| state.releases.get(&release.id).is_some_and(|known| known.prepared == Prepared::Yes))
    }

    fn test(&self, release: &Release, _task: &dyn Task) -> Result<Note, Fault> {
        self.effect("test", |_| {})?;
        if self.ask(|state| state.behaviour(release))? == Behaviour::FailsTests {
            return Err(Fault::application("the test gate failed"));
        }
        Ok(None)
    }

    fn discard(&self, release: &Release) -> Result<(), Fault> {
        self.set_prepared(release, "discard", Prepared::No)
    }

    fn prune(&self, release: &Release, keep: u32) -> Result<Note, Fault> {
        let old = self.ask(|state| {
            let service = release.service();
            let of_service = state.releases.values().filter(|known| known.release.service() == service);
            let kept = of_service.filter(|known| {
                known.served && known.state == ReleaseState::Kept && !state.is_running(&known.release.id)
            });
            let mut ids: Vec<ReleaseId> = kept.map(|known| known.release.id.clone()).collect();
            ids.sort_by(|a, b| b.version().cmp(a.version()));
            ids.split_off(ids.len().min(keep as usize))
        })?;
        for id in old {
            self.effect("prune", |state| _ = state.releases.remove(&id))?;
        }
        Ok(None)
    }

    fn remove(&self, release: &Release, _volumes: bool) -> Result<Note, Fault> {
        let service = release.service().clone();
        let ids = self.ask(|state| {
            let ids = state.releases.keys().filter(|id| *id.service() == service);
            ids.cloned().collect::<Vec<_>>()
        })?;
        for id in ids {
            self.effect("remove", |state| {
                if state.is_running(&id) {
                    state.violations.push(format!("the files of {id} are removed under it"));
                }
                state.releases.remove(&id);
            })?;
        }
        self.effect("remove", |state| {
            state.active.remove(&service);
            state.previous.remove(&service);
        })?;
        Ok(None)
    }
}

impl Instances for World {
    fn start(&self, release: &Release, upto: u32, _task: &dyn Task) -> Result<Note, Fault> {
        if !self.is_prepared(release)? {
            return Err(Fault::machine(format!("{} has no files", release.id)));
        }
        if self.ask(|state| state.behaviour(release))? == Behaviour::DoesNotStart {
            return Err(Fault::application("the program is not there"));
        }
        for other in self.ask(|state| state.in_place_of(release))? {
            self.effect("take the project over", |state| {
                state.check_idle(&other);
                state.instances.retain(|(id, _), _| *id != other);
                state.drained(&other);
            })?;
        }
        for ordinal in 1..=upto {
            self.effect("start", |state| match state.instances.get_mut(&(release.id.clone(), ordinal)) {
                Some(instance) => instance.retiring = false,
                None => {
                    state.check_alone(&release.id);
                    state.boot(release, ordinal);
                }
            })?;
        }
        Ok(None)
    }

    fn await_healthy(&self, release: &Release, upto: u32, task: &dyn Task) -> Result<Note, Fault> {
        if task.cancelled() {
            return Err(Fault::internal("stopped").kind(landfall_model::FaultKind::Interrupted));
        }
        let mut ready = Vec::new();
        for ordinal in 1..=upto {
            let at =
                self.ask(|state| state.instances.get(&(release.id.clone(), ordinal)).map(|i| i.healthy_at))?;
            match at {
                None => return Err(Fault::application(format!("instance {ordinal} does not run"))),
                Some(at) => ready.push(at),
            }
        }
        let start_period = release.spec.health.start_period.duration();
        self.effect("await", |state| match ready.iter().copied().collect::<Option<Vec<Duration>>>() {
            Some(all) => state.elapsed = all.into_iter().fold(state.elapsed, Duration::max),
            None => state.elapsed += start_period,
        })?;
        if ready.contains(&None) { Err(Fault::application("it did not become healthy")) } else { Ok(None) }
    }

    fn stop(&self, release: &Release) -> Result<Note, Fault> {
        let ordinals = self.ask(|state| {
            let ours = state.instances.keys().filter(|(id, _)| *id == release.id);
            ours.map(|(_, ordinal)| *ordinal).collect::<Vec<_>>()
        })?;
        for ordinal in ordinals {
            self.effect("stop", |state| {
                state.check_idle(&release.id);
                state.instances.remove(&(release.id.clone(), ordinal));
                if !state.is_running(&release.id) {
                    state.drained(&release.id);
                }
            })?;
        }
        Ok(None)
    }

    fn is_running(&self, release: &Release) -> Result<bool, Fault> {
        self.ask(|state| state.is_running(&release.id))
    }

    fn read_back(&self, release: &Release) -> Result<Vec<ReceiptInstance>, Fault> {
        let fails = self.ask(|state| state.behaviour(release))? == Behaviour::FailsInService;
        let ids = release.instances();
        self.ask(|state| {
            let instances = (1..).zip(ids).map(|(ordinal, id)| {
                let instance = state.instances.get(&(release.id.clone(), ordinal));
                let instance =
                    instance.ok_or_else(|| Fault::application(format!("instance {ordinal} does not run")))?;
                let healthy = state.healthy(instance) && !fails;
                Ok(ReceiptInstance {
                    host: "simulated".to_owned(),
                    id,
                    pid: Some(ordinal),
                    digest: release.artifact,
                    wanted: None,
                    container: None,
                    healthy,
                })
            });
            instances.collect()
        })?
    }

    fn shrink(&self, release: &Release, left: u32) -> Result<Note, Fault> {
        self.effect("shrink", |state| {
            for ((id, ordinal), instance) in &mut state.instances {
                instance.retiring |= *id == release.id && *ordinal > left;
            }
            if state.drain_at_once {
                state.instances.retain(|(id, ordinal), _| *id != release.id || *ordinal <= left);
            }
        })?;
        Ok(None)
    }

    fn retire(&self, release: &Release, _warm: Millis) -> Result<Note, Fault> {
        self.effect("retire", |state| {
            for ((id, _), instance) in &mut state.instances {
                instance.retiring |= *id == release.id;
            }
            if state.drain_at_once {
                state.instances.retain(|(id, _), _| *id != release.id);
            }
            if !state.is_running(&release.id) {
                state.drained(&release.id);
            }
        })?;
        Ok(None)
    }
}

impl Routes for World {
    fn hold(&self, release: &Release, _: &dyn Task) -> Result<Note, Fault> {
        self.effect("hold", |state| {
            if let Some(route) = state.routes.get_mut(release.service()) {
                route.held = true;
                let targets: Vec<ReleaseId> =
                    route.shares.iter().map(|share| share.release.clone()).collect();
                targets.iter().for_each(|id| state.waited_for(id));
            }
        })?;
        Ok(None)
    }

    fn switch(&self, release: &Release) -> Result<Note, Fault> {
        let part = Part { release, instances: release.spec.replicas, weight: 1 };
        self.put("switch", release, &[part])
    }

    fn split(&self, split: &Split<'_>) -> Result<Note, Fault> {
        self.put("split", split.to.release, &[split.from, split.to])
    }

    fn drain(&self, release: &Release, _: &dyn Task) -> Result<Note, Fault> {
        self.effect("drain", |state| state.waited_for(&release.id))?;
        Ok(None)
    }

    fn unroute(&self, release: &Release) -> Result<(), Fault> {
        self.effect("unroute", |state| _ = state.routes.remove(release.service()))
    }

    fn serving(&self, release: &Release) -> Result<Option<ReleaseId>, Fault> {
        self.ask(|state| {
            let route = state.routes.get(release.service())?;
            match route.shares.as_slice() {
                [share] => Some(share.release.clone()),
                _ => None,
            }
        })
    }

    fn traffic(&self, release: &Release) -> Result<BTreeMap<String, u32>, Fault> {
        self.ask(|state| {
            let shares = state.routes.get(release.service()).map(|route| route.shares.clone());
            let shares = shares.unwrap_or_default();
            let weights: Vec<u32> = shares.iter().map(|share| share.weight).collect();
            let names = shares.iter().map(|share| share.release.version().to_string());
            names.zip(percentages(&weights)).collect()
        })
    }

    fn samples(&self, release: &Release) -> Result<BTreeMap<ReleaseId, Sample>, Fault> {
        self.effect("samples", |state| state.answer(release.service()))?;
        self.ask(|state| state.samples.clone())
    }

    fn prove(&self, release: &Release) -> Result<Option<ServedArtifact>, Fault> {
        if release.spec.route.is_none() {
            return Ok(None);
        }
        let (answered, serving) =
            (self.ask(|state| state.answered(release.service()))?, self.serving(release)?);
        let version = serving.filter(|_| answered).map(|id| id.version().to_string());
        let version = version.ok_or_else(|| Fault::application("nothing answers"))?;
        Ok(Some(ServedArtifact { path: "/".to_owned(), status: 200, version }))
    }

    fn start_meter(&self, _release: &Release) -> Result<(), Fault> {
        self.effect("start meter", |_| {})
    }

    fn metered(&self, _release: &Release) -> Result<(Requests, u64), Fault> {
        self.ask(|_| (Requests::default(), 0))
    }
}

impl Metrics for World {
    fn query(&self, _server: &str, query: &str) -> Result<Option<f64>, Fault> {
        self.effect("query", |_| {})?;
        // The query is the answer.
        Ok(query.parse().ok())
    }
}

impl Ledger for World {
    fn record(&self, release: &Release) -> Result<(), Fault> {
        self.effect("record", |state| {
            state.releases.entry(release.id.clone()).or_insert_with(|| Known {
                release: release.clone(),
                prepared: Prepared::No,
                state: ReleaseState::Failed,
                served: false,
            });
        })
    }

    fn set_state(&self, release: &Release, to: ReleaseState) -> Result<(), Fault> {
        self.effect("set state", |state| {
            let service = release.service().clone();
            let was_active = state.active.get(&service) == Some(&release.id);
            if to == ReleaseState::Active {
                if let Some(old) = state.active.insert(service.clone(), release.id.clone()) {
                    if let Some(known) = state.releases.get_mut(&old) {
                        known.state = ReleaseState::Kept;
                    }
                    state.previous.insert(service, old);
                }
            } else if was_active {
                state.active.remove(&service);
            }
            if let Some(known) = state.releases.get_mut(&release.id) {
                known.served |= to == ReleaseState::Active;
                known.state = to;
            }
        })
    }

    fn active(
        &self,
        _app: &AppName,
        _environment: &EnvironmentName,
        service: &ServiceName,
    ) -> Result<Option<ReleaseId>, Fault> {
        self.ask(|state| state.active.get(service).cloned())
    }
}

impl Host for World {
    fn name(&self) -> String {
        "simulated".to_owned()
    }
}
