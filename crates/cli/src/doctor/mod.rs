//! What `landfall doctor` looks at: the machine, the processes, the applications. What was seen is data; what is thought
//! of it is pure.

mod applications;
mod look;
mod machine;
mod processes;

use landfall_model::api::{Info, StatusView};
use landfall_model::{CertificateStatus, Finding, Timestamp};
use landfall_proxy::Status;

pub(crate) use look::look;

/// All that was seen.
pub(crate) struct Seen {
    /// When.
    pub(crate) now: Timestamp,
    /// Which build this command is.
    pub(crate) build: String,
    pub(crate) machine: Machine,
    /// `None` when no agent runs; else what it says, or why it says nothing.
    pub(crate) agent: Option<Result<Info, String>>,
    pub(crate) proxy: Option<Proxy>,
    /// Whether there are routes that a proxy should serve.
    pub(crate) proxy_wanted: bool,
    pub(crate) applications: Vec<StatusView>,
}

/// The machine.
pub(crate) struct Machine {
    /// The state folder.
    pub(crate) state: String,
    /// Its mode, without the file type.
    pub(crate) mode: u32,
    /// Whether it belongs to who asks.
    pub(crate) ours: bool,
    /// Why nothing can be written there.
    pub(crate) unwritable: Option<String>,
    /// Bytes that are free for who asks.
    pub(crate) free: u64,
    /// Whether the clock is kept by the network; `None` when nobody says.
    pub(crate) synchronized: Option<bool>,
    /// When the state was changed last, by the clock of then.
    pub(crate) changed: Option<Timestamp>,
}

/// The proxy, while it runs.
pub(crate) struct Proxy {
    pub(crate) status: Status,
    pub(crate) certificates: Vec<CertificateStatus>,
    /// Files it may open, and files it has open.
    pub(crate) files: Option<(u64, u64)>,
}

/// What is thought of it all, in the order in which a person looks.
pub(crate) fn findings(seen: &Seen) -> Vec<Finding> {
    let mut findings = machine::findings(&seen.machine, seen.now);
    findings.extend(processes::findings(seen));
    findings.extend(seen.applications.iter().flat_map(applications::findings));
    findings
}
