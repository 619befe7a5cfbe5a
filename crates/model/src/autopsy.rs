//! What was found out about an instance that would not live: evidence, and the likely cause.

use serde::{Deserialize, Serialize};

use crate::{Exit, InstanceId, Stream};

/// A socket that a process of the instance listens on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Listener {
    /// `127.0.0.1:8000`, `[::]:8000`.
    pub address: String,
    /// The process that holds it.
    pub pid: u32,
}

/// What a health check got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", tag = "answer")]
pub enum HealthAnswer {
    /// Nothing accepted on the port.
    Refused,
    /// It accepted and did not answer in time.
    TimedOut,
    /// It answered, with what is no HTTP, or closed.
    Broken {
        /// What was wrong.
        why: String,
    },
    /// It answered with a status that does not count as healthy.
    Status {
        /// The status.
        status: u16,
        /// The first line of the body, at most 200 characters.
        body: String,
    },
}

/// What could be seen of an instance after it failed; secrets are blacked out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Evidence {
    /// The instance.
    pub instance: InstanceId,
    /// The command it ran.
    pub command: String,
    /// The address it was to listen on; `None` for a worker.
    pub expected: Option<String>,
    /// How it ended; `None` while it still runs.
    pub exit: Option<Exit>,
    /// Times it ended and was started again.
    pub restarts: u32,
    /// How long it had been given, in milliseconds.
    pub waited_ms: u64,
    /// What it listened on when it was looked at.
    pub listeners: Vec<Listener>,
    /// What the last health check got.
    pub health: Option<HealthAnswer>,
    /// The last lines it printed, oldest first, at most 40.
    pub log: Vec<(Stream, String)>,
    /// Environment variables it was given, names only.
    pub variables: Vec<String>,
    /// Resident memory when last seen, in bytes.
    pub memory: Option<u64>,
    /// The memory limit, in bytes.
    pub memory_limit: Option<u64>,
    /// Whether it is a container, the port of which the manifest may name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub container: bool,
}

/// Evidence with a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Autopsy {
    /// The likely cause, one sentence.
    pub cause: String,
    /// What to do about it.
    pub advice: Option<String>,
    /// What it rests on.
    pub evidence: Evidence,
}
