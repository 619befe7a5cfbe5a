//! Processes of containers as this machine sees them. A number that an engine tells may be another process's here: the
//! engine may be elsewhere, or this program in a process namespace of its own.

use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Kills a process if it is one of that container. Gives whether it was.
pub(super) fn kill(pid: i32, container: &str) -> bool {
    let Some(pid) = Pid::from_raw(pid) else { return false };
    // Opened first: what is looked at afterwards is what is killed, even when the number is given to another meanwhile.
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
    is_of(pid, container) && pidfd_send_signal(process, Signal::KILL).is_ok()
}

/// Whether a process is in a container's control group, whose name has the container's whole id in it.
fn is_of(pid: Pid, container: &str) -> bool {
    let groups = fs::read_to_string(format!("/proc/{}/cgroup", pid.as_raw_pid())).unwrap_or_default();
    container.len() >= ID && groups.lines().any(|line| line.contains(container))
}

/// The length of a container's id: less of it could be part of any name.
const ID: usize = 64;

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_that_is_not_of_the_container_is_left_alone() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(!kill(pid, &"0f".repeat(32)) && !kill(pid, ""));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
