//! What a container is to be, and the same as the engine takes it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount as EngineMount, MountType,
    NetworkingConfig, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use landfall_model::Millis;

use crate::network::endpoint;

/// What a container's log may take on the disk: files of this size …
const LOG_SIZE: &str = "10m";
/// … and this many of them.
const LOG_FILES: &str = "3";

/// A container that is wanted. What is empty or `None` is as the image or the engine has it.
#[derive(Clone, Default)]
pub struct ContainerSpec {
    /// Its name, unique in the engine.
    pub name: String,
    /// The image: an id or a digest, for a tag may move.
    pub image: String,
    /// Instead of the image's `ENTRYPOINT`; `Some` of nothing for none.
    pub entrypoint: Option<Vec<String>>,
    /// Instead of the image's `CMD`.
    pub command: Option<Vec<String>>,
    /// The environment, over the image's own. Values may be secret: they are not shown by `Debug`.
    pub environment: BTreeMap<String, String>,
    /// Labels, over the image's own.
    pub labels: BTreeMap<String, String>,
    /// `UID[:GID]` or a name that the image knows.
    pub user: Option<String>,
    /// The folder it starts in.
    pub workdir: Option<String>,
    /// Its host name.
    pub hostname: Option<String>,
    /// Folders of the host.
    pub mounts: Vec<Mount>,
    /// Folders in memory: the path, with options behind a colon (`/tmp`, `/run:size=16m`).
    pub tmpfs: Vec<String>,
    /// How it stands in networks.
    pub network: Networking,
    /// When the engine starts it again.
    pub restart: Restart,
    /// Most memory in bytes; swap is not added to it.
    pub memory: Option<u64>,
    /// Most processor time in thousandths of a processor.
    pub cpus: Option<u32>,
    /// Most processes and threads.
    pub pids: Option<u32>,
    /// Most open files of each process.
    pub files: Option<u64>,
    /// Whether its own file system cannot be written.
    pub read_only: bool,
    /// Capabilities that it loses: `ALL`, `NET_RAW`.
    pub cap_drop: Vec<String>,
    /// Capabilities that it gets: `NET_BIND_SERVICE`.
    pub cap_add: Vec<String>,
    /// Whether its processes can gain rights through set-user-id files.
    pub no_new_privileges: bool,
    /// What it is asked to stop with: `SIGTERM`.
    pub stop_signal: Option<String>,
    /// How long it is given to stop when the engine itself stops it.
    pub stop_grace: Option<Millis>,
    /// Instead of the image's `HEALTHCHECK`.
    pub health: Option<HealthCheck>,
    /// Whether a small init reaps what its processes leave behind.
    pub init: bool,
    /// Whether it gets a terminal.
    pub tty: bool,
    /// Whether its standard input stays open for whoever attaches.
    pub stdin: bool,
}

/// A folder or file of the host inside the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// On the host; it must be there.
    pub source: PathBuf,
    /// Inside.
    pub target: String,
    /// Whether it cannot be written from inside.
    pub read_only: bool,
}

/// How a container stands in networks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Networking {
    /// In none: only its own loopback.
    #[default]
    None,
    /// In the host's.
    Host,
    /// In one network; others are joined afterwards.
    Joined(Attachment),
}

/// A container's place in a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The network's name.
    pub network: String,
    /// Its address there; `None` for any.
    pub address: Option<Ipv4Addr>,
    /// The names it is found by there.
    pub aliases: Vec<String>,
}

/// When the engine starts a container again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restart {
    /// Never.
    #[default]
    No,
    /// Whenever it ends, and when the engine starts, unless it was stopped on purpose.
    UnlessStopped,
    /// When it fails, at most this often; 0 for no limit.
    OnFailure(u32),
}

/// A container's own health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is run: `["CMD", "curl", …]` or `["CMD-SHELL", "curl …"]`; `["NONE"]` switches the image's own off.
    pub test: Vec<String>,
    /// Between two checks; zero for the engine's own (30 s).
    pub interval: Millis,
    /// For one check; zero for the engine's own (30 s).
    pub timeout: Millis,
    /// While it boots, failures do not count; zero for the engine's own (none).
    pub start_period: Millis,
    /// Failures in a row that make it unhealthy; 0 for the engine's own (3).
    pub retries: u32,
}

impl HealthCheck {
    /// What an engine says of one; `None` when there is none or it is switched off.
    pub(crate) fn from_engine(told: HealthConfig) -> Option<Self> {
        let test = told.test.unwrap_or_default();
        if test.first().is_none_or(|word| word == "NONE") {
            return None;
        }
        let millis = |nanos: Option<i64>| {
            Millis(u64::try_from(nanos.unwrap_or_default()).unwrap_or_default() / 1_000_000)
        };
        Some(Self {
            test,
            interval: millis(told.interval),
            timeout: millis(told.timeout),
            start_period: millis(told.start_period),
            retries: told.retries.and_then(|count| count.try_into().ok()).unwrap_or_default(),
        })
    }

    fn to_engine(&self) -> HealthConfig {
        let nanos =
            |length: Millis| Some(i64::try_from(length.0.saturating_mul(1_000_000)).unwrap_or(i64::MAX));
        HealthConfig {
            test: Some(self.test.clone()),
            interval: nanos(self.interval),
            timeout: nanos(self.timeout),
            start_period: nanos(self.start_period),
            retries: Some(i64::from(self.retries)),
            start_interval: None,
        }
    }
}

impl ContainerSpec {
    /// The request that makes it.
    pub(crate) fn to_engine(&self) -> ContainerCreateBody {
        let environment = self.environment.iter().map(|(name, value)| format!("{name}={value}"));
        let grace = self.stop_grace.map(|grace| i64::try_from(grace.0.div_ceil(1000)).unwrap_or(i64::MAX));
        let networking = match &self.network {
            Networking::Joined(place) => Some(NetworkingConfig {
                endpoints_config: Some(HashMap::from([(place.network.clone(), endpoint(place))])),
            }),
            Networking::None | Networking::Host => None,
        };
        ContainerCreateBody {
            image: Some(self.image.clone()),
            entrypoint: self.entrypoint.clone(),
            cmd: self.command.clone(),
            env: Some(environment.collect()),
            labels: Some(self.labels.clone().into_iter().collect()),
            user: self.user.clone(),
            working_dir: self.workdir.clone(),
            hostname: self.hostname.clone(),
            stop_signal: self.stop_signal.clone(),
            stop_timeout: grace,
            healthcheck: self.health.as_ref().map(HealthCheck::to_engine),
            tty: Some(self.tty),
            open_stdin: Some(self.stdin),
            stdin_once: Some(self.stdin),
            attach_stdin: Some(self.stdin),
            host_config: Some(self.host_config()),
            networking_config: networking,
            ..ContainerCreateBody::default()
        }
    }

    fn host_config(&self) -> HostConfig {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let tmpfs = self.tmpfs.iter().map(|entry| match entry.split_once(':') {
            Some((path, options)) => (path.to_owned(), options.to_owned()),
            None => (entry.clone(), String::new()),
        });
        let log = HashMap::from([
            ("max-size".to_owned(), LOG_SIZE.to_owned()),
            ("max-file".to_owned(), LOG_FILES.to_owned()),
        ]);
        HostConfig {
            mounts: Some(self.mounts.iter().map(Mount::to_engine).collect()),
            tmpfs: Some(tmpfs.collect()),
            network_mode: Some(match &self.network {
                Networking::None => "none".to_owned(),
                Networking::Host => "host".to_owned(),
                Networking::Joined(place) => place.network.clone(),
            }),
            restart_policy: Some(self.restart.to_engine()),
            memory: self.memory.map(whole),
            // The same as `memory`: none of it may be swapped, so that a limit is one.
            memory_swap: self.memory.map(whole),
            nano_cpus: self.cpus.map(|thousandths| i64::from(thousandths) * 1_000_000),
            pids_limit: self.pids.map(i64::from),
            ulimits: self.files.map(whole).map(|most| {
                vec![ResourcesUlimits { name: Some("nofile".to_owned()), soft: Some(most), hard: Some(most) }]
            }),
            readonly_rootfs: Some(self.read_only),
            cap_drop: Some(self.cap_drop.clone()),
            cap_add: Some(self.cap_add.clone()),
            security_opt: self.no_new_privileges.then(|| vec!["no-new-privileges".to_owned()]),
            init: Some(self.init),
            log_config: Some(HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(log) }),
            ..HostConfig::default()
        }
    }
}

impl Mount {
    fn to_engine(&self) -> EngineMount {
        EngineMount {
            typ: Some(MountType::BIND),
            source: Some(self.source.to_string_lossy().into_owned()),
            target: Some(self.target.clone()),
            read_only: Some(self.read_only),
            ..EngineMount::default()
        }
    }
}

impl Restart {
    fn to_engine(self) -> RestartPolicy {
        let (name, most) = match self {
            Self::No => (RestartPolicyNameEnum::NO, None),
            Self::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
            Self::OnFailure(most) => (RestartPolicyNameEnum::ON_FAILURE, Some(i64::from(most))),
        };
        RestartPolicy { name: Some(name), maximum_retry_count: most }
    }
}

impl fmt::Debug for ContainerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerSpec")
            .field("name", &self.name)
            .field("image", &self.image)
            .field("environment", &self.environment.keys())
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_the_environment_is_not_shown() {
        let environment = BTreeMap::from([("KEY".to_owned(), "hush".to_owned())]);
        let spec = ContainerSpec { environment, ..ContainerSpec::default() };
        let shown = format!("{spec:?}");
        assert!(shown.contains("KEY") && !shown.contains("hush"), "{shown}");
        assert_eq!(spec.to_engine().env, Some(vec!["KEY=hush".to_owned()]));
    }

    #[test]
    fn limits_are_in_the_engines_units() {
        let spec = ContainerSpec {
            cpus: Some(1500),
            memory: Some(64 << 20),
            tmpfs: vec!["/tmp".into(), "/run:size=1m".into()],
            stop_grace: Some(Millis(1500)),
            ..ContainerSpec::default()
        };
        let body = spec.to_engine();
        assert_eq!(body.stop_timeout, Some(2));
        let host = body.host_config.unwrap();
        assert_eq!((host.nano_cpus, host.memory), (Some(1_500_000_000), Some(64 << 20)));
        assert_eq!(host.tmpfs.unwrap()["/run"], "size=1m");
    }
}
