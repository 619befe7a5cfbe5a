//! A service as it is to run: every default applied, every reference resolved but for volume paths.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    Canary, Command, Compose, Container, Millis, Rolling, Route, Runtime, ServiceName, Strategy, Template,
};

/// A service as the manifest resolves it for one environment: what travels with a release (`spec`) and what only
/// the machine that builds needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name, unique in the application.
    pub name: ServiceName,
    /// The source folder, absolute.
    pub source: PathBuf,
    /// The services whose URL it refers to; they are deployed before it.
    pub after: Vec<ServiceName>,
    /// The secrets it needs, with the place in the manifest that names each.
    pub secrets: Vec<SecretNeed>,
    /// What travels with a release.
    pub spec: Spec,
}

/// A secret that a service names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretNeed {
    /// The environment variable the service finds it in.
    pub name: String,
    /// Where the manifest names it.
    pub span: SourceSpan,
}

/// A stretch of the manifest in bytes, end exclusive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceSpan {
    /// First byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// What a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Answers HTTP on `$PORT`; has a route.
    Web,
    /// Runs without a route.
    Worker,
    /// Static files, served by the proxy itself; no instances.
    Site,
}

/// All of a service that a release carries. Its canonical JSON is what the configuration digest is taken of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Spec {
    /// What it is.
    pub kind: Kind,
    /// What an instance is.
    #[serde(default, skip_serializing_if = "Runtime::is_process")]
    pub runtime: Runtime,
    /// Its container; there with the runtime `docker` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// Its compose project; there with the runtime `compose` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compose: Option<Compose>,
    /// Starts one instance; always there but for a `site`, and for containers whose image says it.
    pub run: Option<Command>,
    /// Builds the artifact, in the release's folder, dependencies prepared; before the test gate.
    pub build: Option<Command>,
    /// Which dependencies are prepared before `build`; `Auto` looks at the lock files.
    pub dependencies: Dependencies,
    /// Of a `site`: the folder below the source, or made by `build`, that is served. `.` is the source itself.
    pub output: Option<String>,
    /// The test gate: commands run one after the other in a throwaway copy.
    pub test: Vec<Command>,
    /// When an instance counts as healthy.
    pub health: Health,
    /// Instances, 1 to 100.
    pub replicas: u32,
    /// How an instance is stopped.
    pub stop: Stop,
    /// Back-off between restarts of an instance that ended by itself.
    pub backoff: Backoff,
    /// Kept folders: name to the path a container sees. Processes get a folder of the host's through `${volume.NAME}`.
    pub volumes: BTreeMap<String, String>,
    /// The environment of build, test and instances, without secrets.
    pub env: BTreeMap<String, Template>,
    /// Names of the secrets it needs, sorted; their values are not here.
    pub secrets: Vec<String>,
    /// Limits on one instance.
    pub limits: Limits,
    /// Where requests for it come in; `None` for a `worker`.
    pub route: Option<Route>,
    /// How a new release takes over.
    pub strategy: Strategy,
    /// The batches of a `rolling`; `None` with any other strategy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolling: Option<Rolling>,
    /// The steps of a `canary`; `None` with any other strategy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// How long the instances that it takes over from stay up, so that a rollback is instant, before they are drained.
    #[serde(default, skip_serializing_if = "Millis::is_zero")]
    pub warm: Millis,
    /// Old releases kept for a rollback, 1 to 100.
    pub keep: u32,
    /// How long instances of an old release may finish their requests after the switch before they are stopped.
    pub drain: Millis,
}

/// How dependencies are prepared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Dependencies {
    /// By the lock files that the source holds.
    #[default]
    Auto,
    /// Not at all.
    None,
}

/// When an instance is healthy: an HTTP path that answers `status`, or with no path a port that accepts.
/// A `worker` is healthy when it has stayed up for `stable`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Health {
    /// The path asked for with GET, starting with `/`; `None`: accepting a connection on `$PORT` is enough.
    pub path: Option<String>,
    /// The statuses that count as healthy, inclusive; 200 to 399 unless said.
    pub status: (u16, u16),
    /// Between two checks of a running instance, 100 ms or more. (A booting one is asked much more often.)
    pub interval: Millis,
    /// For one answer.
    pub timeout: Millis,
    /// How long a booting instance may take until its first healthy answer.
    pub start_period: Millis,
    /// How long a worker must stay up to count as healthy.
    pub stable: Millis,
}

/// How an instance is stopped: the signal, then after `grace` SIGKILL to its whole process group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Stop {
    /// `TERM`, `INT`, `QUIT`, `HUP`, `USR1`, `USR2`.
    pub signal: String,
    /// The time it has to end by itself.
    pub grace: Millis,
}

/// Restarts of an instance that ended by itself: after `first`, doubling up to `max`; back to `first` after it
/// has stayed up for `max`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Backoff {
    /// Before the first restart.
    pub first: Millis,
    /// The longest wait.
    pub max: Millis,
}

/// Limits on one instance; `None` is no limit of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Limits {
    /// Memory of the instance's processes together, in bytes.
    pub memory: Option<u64>,
    /// Open files of each process (`RLIMIT_NOFILE`).
    pub files: Option<u64>,
    /// The size at which the captured output is rotated, in bytes.
    pub log_size: Option<u64>,
    /// Rotated output files kept beside the current one.
    pub log_files: Option<u32>,
}
