//! What the agent's API takes and gives, beyond the nouns themselves. The paths are in the agent's OpenAPI document.

mod access;
mod disk;
pub mod exec;
mod images;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use access::AccessLine;
pub use disk::{DiskEntry, DiskKind, DiskView, Filesystem, Holds, Prune, Pruned, VolumeId, Whose};
pub use images::StoredImage;

use crate::{
    AppName, CertificateStatus, Digest, EnvironmentName, InstanceId, Outcome, Plan, PlanKind, ServiceName,
    Stream, Timestamp, TransactionId, Version,
};

/// The version of the API; a client of another one is refused.
pub const API_VERSION: u32 = 1;

/// The environment variable with the state folder; otherwise `$XDG_STATE_HOME/landfall` or `~/.local/state/landfall`.
pub const STATE_VARIABLE: &str = "LANDFALL_STATE";

/// Who the agent is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Info {
    /// `landfall`'s own version.
    pub version: String,
    /// Tells two builds apart: length and modification time of the executable.
    pub build: String,
    /// `API_VERSION`.
    pub api: u32,
    /// The schema version of its state.
    pub schema: u32,
    /// Its process.
    pub pid: u32,
    /// When it started.
    pub started: Timestamp,
    /// The host's name.
    pub host: String,
    /// The state folder.
    pub state: String,
    /// The `DOCKER_HOST` that it was started with; `None` for the machine's own engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// The proxy's process, while it runs.
    pub proxy_pid: Option<u32>,
    /// The build the proxy runs, in the form of `build`.
    pub proxy_build: Option<String>,
    /// Resident memory of the agent in bytes.
    pub memory: Option<u64>,
    /// Resident memory of the proxy in bytes.
    pub proxy_memory: Option<u64>,
    /// Transactions under way.
    pub running: u32,
    /// What a person should know: a torn journal that was cut, an instance that cannot start for want of secrets.
    pub notes: Vec<String>,
}

/// The key that fingerprints of secrets are made with, 64 hex digits; it stays the same for the life of the state.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FingerprintKey {
    /// The key.
    pub key: String,
}

/// Which of these blobs are missing; at most 100,000.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BlobList {
    /// Digests, each BLAKE3.
    pub digests: Vec<Digest>,
}

/// Asks for a plan to be applied.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Submission {
    /// The plan; its hash is checked, its generation must be the place's.
    pub plan: Plan,
    /// The values of the secrets that its new releases name, by service and variable. Never stored on a disk.
    pub secrets: BTreeMap<ServiceName, BTreeMap<String, String>>,
    /// Who asks, as people read it: `anna@laptop`.
    pub holder: String,
    /// Bytes that were sent ahead for this plan, for the receipt.
    pub bytes_shipped: u64,
}

impl std::fmt::Debug for Submission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Submission")
            .field("plan", &self.plan.hash)
            .field("holder", &self.holder)
            .finish_non_exhaustive()
    }
}

/// A transaction that began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Accepted {
    /// Its number; its events are at `…/transactions/{number}/events`.
    pub transaction: TransactionId,
}

/// A transaction that ended, or not yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HistoryLine {
    /// Its number.
    pub transaction: TransactionId,
    /// Why.
    pub kind: PlanKind,
    /// Who asked.
    pub holder: String,
    /// The version of the plan.
    pub version: Version,
    /// When it began.
    pub begun: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it ended; `None` while it is open.
    pub outcome: Option<Outcome>,
    /// The services that it changed.
    pub services: Vec<ServiceName>,
    /// Why it did not end well, one sentence.
    pub why: Option<String>,
}

/// One line an instance printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogLine {
    /// When it was read from the instance.
    pub at: Timestamp,
    /// The service.
    pub service: ServiceName,
    /// The instance.
    pub instance: InstanceId,
    /// The version it runs.
    pub version: Version,
    /// Which stream.
    pub stream: Stream,
    /// Without its line end; at most 16 KiB, longer ones come in pieces.
    pub line: String,
}

/// Every application and environment of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Deployed {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub environment: EnvironmentName,
}

/// Asks for a command in the environment of a service's active release.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ExecRequest {
    /// Program and arguments; no shell.
    pub command: Vec<String>,
    /// A terminal's rows and columns, when there is one.
    pub terminal: Option<(u16, u16)>,
    /// Whether it runs in a new instance that goes with it, and not beside one that runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
    /// Of a compose project: the service of its file; `None`: the one that answers, or is tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
}

/// How the proxy sees an application's routes, for `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RouteView {
    /// The service.
    pub service: ServiceName,
    /// Where.
    pub url: String,
    /// The version that gets the requests.
    pub version: Option<String>,
    /// Requests that are held now.
    pub held_now: u64,
    /// Whether requests are turned away with the maintenance page.
    #[serde(default)]
    pub maintenance: bool,
    /// Whether requests are held until a person lets them through.
    #[serde(default)]
    pub paused: bool,
    /// Its certificate, with HTTPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateStatus>,
    /// The share of the requests that each version gets, in percent; those without any are left out.
    #[serde(default)]
    pub traffic: BTreeMap<String, u32>,
    /// Versions that get no more requests and still have some under way.
    #[serde(default)]
    pub draining: Vec<Draining>,
    /// Backends that answer and all of them.
    pub healthy: (u32, u32),
    /// Counts since the proxy knows this version.
    pub requests: crate::Requests,
}

/// A version that finishes its requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Draining {
    /// Which.
    pub version: String,
    /// Requests and upgraded connections under way.
    pub under_way: u64,
}

/// Turns something on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Turn {
    /// Whether it is to be on.
    pub on: bool,
}

/// What `status` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StatusView {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub environment: EnvironmentName,
    /// What is there.
    pub observed: crate::Observed,
    /// What the proxy says.
    pub routes: Vec<RouteView>,
}
