//! How a container is, as the engine says it, and whether it is what was deployed.

use landfall_docker::{Container, Health, State};
use landfall_model::{Exit, InstanceState, InstanceStatus, Kind, Release};
use landfall_shim::evidence;

use super::read_back::still_tagged;
use super::record::Built;
use super::{container, names};
use crate::host::LocalHost;
use crate::runtimes::steady;
use crate::state::{InstanceRow, Stay};

impl LocalHost {
    /// The state of one container; what of it is on its way out is told by its row.
    pub(super) fn container_status(
        &self,
        row: &InstanceRow,
        release: Option<&Release>,
        healthy: Option<bool>,
    ) -> InstanceStatus {
        // An engine that does not answer shows nothing that runs.
        let there = self.container_of(row).ok().flatten();
        let built = release.and_then(|release| self.built(release).ok().flatten());
        let pid = there.as_ref().and_then(|there| there.pid);
        InstanceStatus {
            id: row.id.clone(),
            release: row.release.clone(),
            ordinal: row.ordinal,
            state: there
                .as_ref()
                .map_or(InstanceState::Stopped, |there| state(there, release, healthy, row.stay == Stay::On)),
            address: row.address.clone(),
            pid,
            started: there.as_ref().filter(|there| there.is_running()).and_then(|there| there.started),
            restarts: there.as_ref().map_or(0, |there| there.restarts),
            last_exit: there.as_ref().and_then(exit),
            memory: pid.and_then(|pid| evidence::memory(&evidence::processes(pid))),
            leaving: None,
            container: there.as_ref().map(|there| there.name.clone()),
            checks: there.as_ref().and_then(steady::counted),
            drift: there
                .as_ref()
                .zip(built.as_ref())
                .and_then(|(there, built)| drift(there, built, row).or_else(|| self.tag_drift(built))),
        }
    }
}

impl LocalHost {
    /// Whether the version's tag means another image by now.
    fn tag_drift(&self, built: &Built) -> Option<String> {
        let docker = self.docker().ok()?;
        let moved = self.wait_for(still_tagged(&docker, built)).err()?;
        Some(format!("runs what was deployed, but {}", moved.message))
    }
}

/// What a container is doing.
pub(super) fn state(
    there: &Container,
    release: Option<&Release>,
    healthy: Option<bool>,
    stays: bool,
) -> InstanceState {
    match (there.state, &there.health) {
        (State::Restarting, _) => InstanceState::BackingOff,
        (State::Created | State::Exited | State::Dead, _) => InstanceState::Stopped,
        (State::Running | State::Paused, Some(Health::Unhealthy { .. })) => InstanceState::Unhealthy,
        (State::Paused, _) => InstanceState::Unhealthy,
        (State::Running, Some(Health::Starting)) => InstanceState::Booting,
        (State::Running, _) => match healthy {
            _ if release.is_none_or(|release| release.spec.kind == Kind::Worker) => InstanceState::Healthy,
            Some(true) => InstanceState::Healthy,
            Some(false) => InstanceState::Unhealthy,
            // What serves no more was well when it did.
            None if !stays => InstanceState::Healthy,
            None => InstanceState::Booting,
        },
    }
}

/// How its last run ended.
pub(super) fn exit(there: &Container) -> Option<Exit> {
    let at = there.finished?;
    let code = there.exit_code?;
    // 128 and the signal's number is how an engine tells of a signal.
    let signal = [(137, "KILL"), (143, "TERM"), (139, "SEGV"), (134, "ABRT"), (130, "INT")]
        .into_iter()
        .find(|(with, _)| *with == code);
    Some(Exit {
        code: signal.is_none().then_some(code),
        signal: signal.map(|(_, name)| name.to_owned()),
        oom: there.oom_killed,
        at,
    })
}

/// In what a container is not what was deployed.
pub(super) fn drift(there: &Container, built: &Built, row: &InstanceRow) -> Option<String> {
    let wanted = built.image.to_string();
    if there.image.as_str() != wanted {
        return Some(format!("runs the image {} instead of {}", there.image.short(), built.image.short()));
    }
    let release = there.labels.get(names::RELEASE).map(String::as_str);
    if release != Some(row.release.to_string().as_str()) {
        return Some(format!(
            "was made as {} instead of {}",
            release.unwrap_or("something else"),
            row.release
        ));
    }
    let at = container::address(row).filter(|_| there.is_running());
    if let Some(at) = at.filter(|at| !there.addresses.values().any(|address| address == at)) {
        return Some(format!("is not at its address {at}"));
    }
    None
}
