//! What a container is, as the engine tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary, EndpointSettings, HealthStatusEnum,
    MountPoint,
};
use landfall_model::{Fault, Timestamp};

use crate::image::ImageId;
use crate::{fault, moment};

/// Between two runs of a health check that says nothing else (docs.docker.com/reference/dockerfile, HEALTHCHECK).
const CHECK_EVERY: Duration = Duration::from_secs(30);

/// Where a container stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Made, never started.
    Created,
    /// It runs.
    Running,
    /// Halted by a person.
    Paused,
    /// It ended, and the engine is about to start it again.
    Restarting,
    /// It ended.
    Exited,
    /// It is being removed, or could not be.
    Dead,
}

/// What a container's own health check says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It boots; failures do not count yet.
    Starting,
    /// Good.
    Healthy,
    /// Bad, with what the last check printed.
    Unhealthy {
        /// At most what the engine keeps of it (4 KiB).
        output: String,
    },
}

/// One run of a container's own health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Whether it went well.
    pub passed: bool,
    /// What it printed, at most what the engine keeps of it (4 KiB).
    pub output: String,
}

/// A container that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// What the engine calls it: 64 hex digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The image that it really runs, whatever a tag says now.
    pub image: ImageId,
    /// How the image was named when it was made.
    pub image_name: String,
    /// Where it stands.
    pub state: State,
    /// Its first process on the engine's machine; `None` unless it runs.
    pub pid: Option<u32>,
    /// How its last run ended; `None` before one did.
    pub exit_code: Option<i32>,
    /// Whether the kernel killed its last run for want of memory.
    pub oom_killed: bool,
    /// Why it could not be started, in the engine's words.
    pub error: Option<String>,
    /// How often the engine started it again.
    pub restarts: u32,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When its last run began.
    pub started: Option<Timestamp>,
    /// When its last run ended.
    pub finished: Option<Timestamp>,
    /// What its own health check says; `None` without one.
    pub health: Option<Health>,
    /// The newest runs of its own health check, oldest first: as many as the engine keeps (5).
    pub checks: Vec<Check>,
    /// Between two of them; `None` without one.
    pub check_every: Option<Duration>,
    /// Labels, the image's own included.
    pub labels: BTreeMap<String, String>,
    /// Its addresses by the network's name: while it runs those it has, otherwise those it was given for good.
    pub addresses: BTreeMap<String, Ipv4Addr>,
    /// The names it is found by, by the network's name.
    pub aliases: BTreeMap<String, Vec<String>>,
    /// The environment's names; values are not read.
    pub variables: Vec<String>,
    /// What it runs: entrypoint and command.
    pub command: Vec<String>,
    /// Whether it has a terminal: its output is then one stream.
    pub tty: bool,
    /// Its memory limit in bytes.
    pub memory: Option<u64>,
    /// Folders and files of the engine's machine that it sees, by where it sees them.
    pub binds: BTreeMap<String, String>,
}

/// What a list tells of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What the engine calls it: 64 hex digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: State,
    /// Labels, the image's own included.
    pub labels: BTreeMap<String, String>,
    /// Ports of the engine's host that lead to it now.
    pub ports: BTreeSet<u16>,
}

impl Container {
    /// Whether its processes run.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running | State::Paused)
    }

    /// Whether its last start failed for its place in a network: the network was removed, or another container has its
    /// address. It can only be made anew, for such a place is written into it.
    #[must_use]
    pub fn lost_its_place(&self) -> bool {
        let told = self.refusal();
        // The engine's own words (moby, libnetwork/ipamapi and daemon/container_operations.go).
        let network = told.contains("network") && told.contains("not found");
        network || told.contains("Address already in use") || told.contains("configured subnet")
    }

    /// Whether its last start failed because an engine that was killed, or ended in the middle of a start, has not let go
    /// of the run before. It can only be made anew, for a run belongs to the container's id.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        // Words of containerd (runtime/v2, the list of tasks).
        self.refusal().contains("task ") && self.refusal().contains("already exists")
    }

    /// What the engine said when it last could not start it.
    fn refusal(&self) -> &str {
        self.error.as_deref().filter(|_| !self.is_running()).unwrap_or_default()
    }

    /// Why its last run ended the way it did, as far as the engine knows, and what to do; `None` for one that has not
    /// ended, or that ended well.
    #[must_use]
    pub fn failure(&self) -> Option<Fault> {
        let code = self.exit_code.filter(|_| !self.is_running())?;
        let ended = format!("the container {}", self.name);
        if self.oom_killed {
            let limit =
                self.memory.map(|bytes| format!(" (its limit is {} MiB)", bytes >> 20)).unwrap_or_default();
            return Some(Fault::application(format!("{ended} was killed for want of memory{limit}")).help(
                "raise `memory` in the service's `limits`, or find what needs so much: fewer workers, smaller caches",
            ));
        }
        if let Some(error) = &self.error {
            return Some(fault::said(&format!("{ended} could not be started"), 500, error));
        }
        let (how, help) = match code {
            0 => return None,
            126 => (
                "its command is there and cannot be executed (exit code 126)".to_owned(),
                "check its permissions, and that it is for this architecture",
            ),
            127 => (
                "its command is not in the image (exit code 127)".to_owned(),
                "check `run`, CMD and ENTRYPOINT, and that the image has what they name",
            ),
            137 => (
                "it was killed (exit code 137)".to_owned(),
                "if nobody killed it, the machine was out of memory: see `dmesg`",
            ),
            129..=165 => {
                (format!("it was ended by signal {}", code - 128), "see its last lines: `landfall logs`")
            }
            _ => (format!("it ended with exit code {code}"), "see its last lines: `landfall logs`"),
        };
        Some(Fault::application(format!("{ended}: {how}")).help(help))
    }
}

impl State {
    fn from_engine(told: Option<ContainerStateStatusEnum>) -> Self {
        match told {
            Some(ContainerStateStatusEnum::RUNNING) => Self::Running,
            Some(ContainerStateStatusEnum::PAUSED) => Self::Paused,
            Some(ContainerStateStatusEnum::RESTARTING) => Self::Restarting,
            Some(ContainerStateStatusEnum::EXITED) => Self::Exited,
            Some(ContainerStateStatusEnum::DEAD | ContainerStateStatusEnum::REMOVING) => Self::Dead,
            Some(_) | None => Self::Created,
        }
    }
}

/// A container as `inspect` tells of it.
pub(super) fn read(told: ContainerInspectResponse) -> Container {
    let state = told.state.unwrap_or_default();
    let config = told.config.unwrap_or_default();
    let networks = told.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let started = state.started_at.as_deref().and_then(moment::read);
    let finished = state.finished_at.as_deref().and_then(moment::read);
    let standing = State::from_engine(state.status);
    let command = told.path.into_iter().chain(told.args.into_iter().flatten()).collect();
    Container {
        id: told.id.unwrap_or_default(),
        name: told.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        image: ImageId::new(told.image.unwrap_or_default()),
        image_name: config.image.unwrap_or_default(),
        state: standing,
        pid: state.pid.and_then(|pid| pid.try_into().ok()).filter(|pid| *pid != 0),
        exit_code: finished.and(state.exit_code).and_then(|code| code.try_into().ok()),
        oom_killed: state.oom_killed.unwrap_or_default(),
        error: state.error.filter(|text| !text.is_empty()),
        restarts: told.restart_count.and_then(|count| count.try_into().ok()).unwrap_or_default(),
        created: told.created.as_deref().and_then(moment::read),
        started,
        finished,
        checks: checks(state.health.as_ref()),
        health: state.health.and_then(health),
        check_every: config.healthcheck.and_then(|check| check.interval).map(every),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        addresses: networks.iter().filter_map(|(name, at)| Some((name.clone(), address(at)?))).collect(),
        aliases: networks
            .iter()
            .map(|(name, at)| (name.clone(), at.aliases.clone().unwrap_or_default()))
            .collect(),
        variables: config
            .env
            .iter()
            .flatten()
            .filter_map(|line| Some(line.split_once('=')?.0.to_owned()))
            .collect(),
        command,
        tty: config.tty.unwrap_or_default(),
        memory: told
            .host_config
            .and_then(|host| host.memory)
            .and_then(|bytes| bytes.try_into().ok())
            .filter(|bytes| *bytes > 0),
        binds: binds(told.mounts.unwrap_or_default()),
    }
}

/// A container as a list tells of it; `None` without an id.
pub(super) fn listed(told: ContainerSummary) -> Option<Listed> {
    use bollard::models::ContainerSummaryStateEnum as Told;
    let state = match told.state {
        Some(Told::RUNNING) => State::Running,
        Some(Told::PAUSED) => State::Paused,
        Some(Told::RESTARTING) => State::Restarting,
        Some(Told::EXITED) => State::Exited,
        Some(Told::DEAD | Told::REMOVING) => State::Dead,
        Some(_) | None => State::Created,
    };
    let names = told.names.unwrap_or_default();
    Some(Listed {
        id: told.id?,
        // Names that links gave it have more than one `/`.
        name: names
            .iter()
            .map(|name| name.trim_start_matches('/'))
            .find(|name| !name.contains('/'))
            .unwrap_or_default()
            .to_owned(),
        state,
        labels: told.labels.unwrap_or_default().into_iter().collect(),
        ports: told.ports.unwrap_or_default().into_iter().filter_map(|port| port.public_port).collect(),
    })
}

fn binds(mounts: Vec<MountPoint>) -> BTreeMap<String, String> {
    let binds = mounts.into_iter().filter(|mount| mount.typ.as_deref() == Some("bind"));
    binds.filter_map(|mount| Some((mount.destination?, mount.source?))).collect()
}

fn address(at: &EndpointSettings) -> Option<Ipv4Addr> {
    let given = at.ipam_config.as_ref().and_then(|config| config.ipv4_address.clone());
    at.ip_address.clone().filter(|text| !text.is_empty()).or(given)?.parse().ok()
}

fn checks(told: Option<&bollard::models::Health>) -> Vec<Check> {
    let runs = told.and_then(|told| told.log.as_ref()).into_iter().flatten();
    runs.map(|run| Check {
        passed: run.exit_code == Some(0),
        output: run.output.clone().unwrap_or_default().trim().to_owned(),
    })
    .collect()
}

/// An interval in the engine's nanoseconds; 0 is its default.
fn every(nanoseconds: i64) -> Duration {
    match u64::try_from(nanoseconds) {
        Ok(0) | Err(_) => CHECK_EVERY,
        Ok(nanoseconds) => Duration::from_nanos(nanoseconds),
    }
}

fn health(told: bollard::models::Health) -> Option<Health> {
    match told.status? {
        HealthStatusEnum::STARTING => Some(Health::Starting),
        HealthStatusEnum::HEALTHY => Some(Health::Healthy),
        HealthStatusEnum::UNHEALTHY => {
            let output = told.log.and_then(|mut log| log.pop()).and_then(|last| last.output);
            Some(Health::Unhealthy { output: output.unwrap_or_default().trim().to_owned() })
        }
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => None,
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ContainerState;

    use super::*;

    fn refused(status: ContainerStateStatusEnum, error: &str) -> Container {
        let state = ContainerState {
            status: Some(status),
            error: Some(error.to_owned()),
            ..ContainerState::default()
        };
        read(ContainerInspectResponse { state: Some(state), ..ContainerInspectResponse::default() })
    }

    #[test]
    fn what_only_a_new_container_mends_is_known_by_the_engines_words() {
        use ContainerStateStatusEnum::{EXITED, RUNNING};
        // As an engine said it that was ended in the middle of a start.
        let stuck = format!("task {}: already exists", "c3f73c4b".repeat(8));
        let of = |status, error: &str| {
            let container = refused(status, error);
            (container.is_stuck(), container.lost_its_place())
        };
        assert_eq!(of(EXITED, &stuck), (true, false));
        assert_eq!(of(EXITED, "network 0f3a not found"), (false, true));
        assert_eq!(of(EXITED, "Address already in use"), (false, true));
        assert_eq!(of(EXITED, "transport is closing: unavailable"), (false, false));
        assert_eq!(of(RUNNING, &stuck), (false, false));
    }
}
