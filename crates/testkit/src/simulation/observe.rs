//! The simulated host as a plan sees it.

use landfall_model::{
    AppName, EnvironmentName, InstanceId, InstanceState, InstanceStatus, Observed, ObservedRelease,
    ObservedService, Release,
};

use super::World;
use super::state::{Instance, State};

impl World {
    /// What is there now. Each call is a generation of its own.
    #[must_use]
    pub fn observed(&self) -> Observed {
        let mut state = self.lock();
        state.generation += 1;
        let mut observed = Observed { generation: state.generation, ..Observed::default() };
        for known in state.releases.values() {
            let service = known.release.service();
            let moment = known.release.id.version().moment();
            if observed.newest_moment.as_deref().is_none_or(|newest| newest < moment) {
                observed.newest_moment = Some(moment.to_owned());
            }
            let entry = observed.services.entry(service.clone()).or_insert_with(|| ObservedService {
                active: state.active.get(service).cloned(),
                previous: state.previous.get(service).cloned(),
                boot_ms: Some(100),
                stop_ms: Some(10),
                ..ObservedService::default()
            });
            entry.releases.push(ObservedRelease { release: known.release.clone(), state: known.state });
            let running = state.instances.iter().filter(|((id, _), _)| *id == known.release.id);
            let seen =
                running.map(|((_, ordinal), instance)| status(&state, &known.release, *ordinal, instance));
            entry.instances.extend(seen);
        }
        observed
    }
}

fn status(state: &State, release: &Release, ordinal: u32, instance: &Instance) -> InstanceStatus {
    let (app, environment): (&AppName, &EnvironmentName) = (&release.app, &release.environment);
    let seen = match (state.healthy(instance), instance.retiring) {
        (_, true) => InstanceState::Stopping,
        (true, false) => InstanceState::Healthy,
        (false, false) => InstanceState::Unhealthy,
    };
    InstanceStatus {
        id: InstanceId::of(app, environment, &release.id, ordinal),
        release: release.id.clone(),
        ordinal,
        state: seen,
        address: None,
        pid: None,
        started: None,
        restarts: 0,
        last_exit: None,
        memory: None,
        leaving: None,
        container: None,
        checks: None,
        drift: None,
    }
}
