//! What the kernel shows of processes: `/proc`, and nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;

use landfall_model::Listener;

/// The processes of an instance by its main process: its session, and all that descend from it. Zombies do not count.
#[must_use]
pub fn processes(pid: u32) -> Vec<u32> {
    vec![pid]
}

/// The TCP sockets that any of `pids` listens on.
#[must_use]
pub fn listeners(pids: &[u32]) -> Vec<Listener> {
    let _ = pids;
    Vec::new()
}

/// The memory of `pids` together in bytes: proportional (`Pss`) where readable, else resident.
#[must_use]
pub fn memory(pids: &[u32]) -> Option<u64> {
    let _ = pids;
    None
}

/// The environment `pid` was started with; `None` when it cannot be read.
#[must_use]
pub fn environ_of(pid: u32) -> Option<BTreeMap<String, String>> {
    let _ = pid;
    None
}

/// The folder `pid` works in; `None` when it cannot be read.
#[must_use]
pub fn folder_of(pid: u32) -> Option<PathBuf> {
    let _ = pid;
    None
}
