//! All the processes of one start, and how to end them.

use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal};

use crate::evidence::{Stat, family};

/// The processes that came out of one start: the session of its main process, all that descend from it, those in its
/// control group, and in a shim all that descend from the shim.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    leader: u32,
    cgroup: Option<PathBuf>,
    /// A process all of whose descendants belong here.
    ancestor: Option<u32>,
}

impl Session {
    /// The session of a command that this process runs among others.
    pub(crate) fn of_command(leader: u32) -> Self {
        Self { leader, cgroup: None, ancestor: None }
    }

    /// The session of the one instance that this process, a shim, supervises. A shim is a "child subreaper"
    /// (`prctl(2)`): what a dead process leaves behind becomes its child, also from a session of its own.
    pub(crate) fn of_instance(leader: u32, cgroup: Option<PathBuf>) -> Self {
        Self { leader, cgroup, ancestor: Some(std::process::id()) }
    }

    /// The processes that are alive now.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let all = Stat::all();
        let mut found = family(self.leader, &all);
        if let Some(ancestor) = self.ancestor {
            found.extend(family(ancestor, &all).into_iter().filter(|&pid| pid != ancestor));
        }
        if let Some(cgroup) = &self.cgroup {
            let alive = |pid: &u32| all.iter().any(|stat| stat.pid == *pid && !stat.is_zombie());
            found.extend(members(cgroup).into_iter().filter(alive));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Sends a signal to every process that is alive now; gives how many there were.
    pub(crate) fn signal(&self, signal: Signal) -> usize {
        let processes = self.processes();
        for &pid in &processes {
            send(pid, signal);
        }
        processes.len()
    }
}

/// The processes in a control group, by its `cgroup.procs`.
fn members(cgroup: &Path) -> Vec<u32> {
    let text = std::fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Sends one process a signal; that it is gone already is fine.
pub(crate) fn send(pid: u32, signal: Signal) {
    if let Some(pid) = number(pid) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Sends the process group of `leader` a signal; that it is gone already is fine.
pub(crate) fn send_group(leader: u32, signal: Signal) {
    if let Some(pid) = number(leader) {
        let _ = rustix::process::kill_process_group(pid, signal);
    }
}

/// The kernel's form of a process number; `None` for what is none.
pub(crate) fn number(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}
