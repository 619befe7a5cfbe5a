//! One running copy of a release.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{AppName, EnvironmentName, ReleaseId, Timestamp};

/// Ten hex digits, derived from application, environment, release and ordinal: short enough for a unix socket's path,
/// and the same each time, so that a step done twice starts nothing twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceId(String);

crate::schema::string_schema!(InstanceId, "InstanceId", "3f2a1c9b0d");

impl InstanceId {
    /// The name of the `ordinal`th instance (from 1) of a release.
    #[must_use]
    pub fn of(app: &AppName, environment: &EnvironmentName, release: &ReleaseId, ordinal: u32) -> Self {
        let text = format!("{app}/{environment}/{release}/{ordinal}");
        Self(blake3::hash(text.as_bytes()).to_hex()[..10].to_owned())
    }

    /// A name that no instance has; for working out how long a path gets.
    #[must_use]
    pub fn of_zero() -> Self {
        Self("0".repeat(10))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InstanceId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("`{text}` is not the name of an instance: expected ten hex digits"))
        }
    }
}

impl TryFrom<String> for InstanceId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<InstanceId> for String {
    fn from(id: InstanceId) -> Self {
        id.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What an instance is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Started, not yet healthy.
    Booting,
    /// Up, and its last health check was good.
    Healthy,
    /// Up, and its last health check was bad.
    Unhealthy,
    /// Ended by itself; the supervisor starts it again after the back-off.
    BackingOff,
    /// Being stopped.
    Stopping,
    /// Ended, not to be started again.
    Stopped,
}

/// What came of an instance's newest health checks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Checks {
    /// How many are remembered, a few dozen at most.
    pub asked: u32,
    /// How many of them went wrong.
    pub failed: u32,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Exit {
    /// The exit code, when it exited; `None` with a signal, or when nobody could read it (the supervisor was new).
    pub code: Option<i32>,
    /// The signal that ended it, by name (`KILL`, `SEGV`).
    pub signal: Option<String>,
    /// Whether it was ended for its memory, by the kernel or by the limit.
    pub oom: bool,
    /// When.
    pub at: Timestamp,
}

/// An instance as the place shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct InstanceStatus {
    /// Its name.
    pub id: InstanceId,
    /// The release it runs.
    pub release: ReleaseId,
    /// From 1.
    pub ordinal: u32,
    /// What it is doing.
    pub state: InstanceState,
    /// Where it answers on this host: `127.0.0.1:41873`; `None` for a worker.
    pub address: Option<String>,
    /// The main process, while there is one.
    pub pid: Option<u32>,
    /// When the running process was started.
    pub started: Option<Timestamp>,
    /// Times it ended by itself and was started again.
    pub restarts: u32,
    /// How it ended last.
    pub last_exit: Option<Exit>,
    /// Resident memory of its processes together, in bytes.
    pub memory: Option<u64>,
    /// How far it is on its way out; `None` for one that is to stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving: Option<Leaving>,
    /// What its engine calls it; `None` for a process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Its newest health checks while it serves; `None` where nobody counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<Checks>,
    /// In what it is not what was deployed, as people read it: "runs the image 0a1b2c instead of 3d4e5f".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<String>,
}

/// An old instance on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Leaving {
    /// How far it is.
    pub phase: LeavingPhase,
    /// Until when that lasts at most.
    pub until: Timestamp,
}

/// How far an old instance is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LeavingPhase {
    /// It stays up, so that a rollback is instant.
    Warm,
    /// It finishes the requests that are under way.
    Draining,
    /// It was told to end.
    Stopping,
}
