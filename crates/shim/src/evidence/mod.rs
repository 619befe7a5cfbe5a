//! What the kernel shows of processes: `/proc`, and nothing else. Everything here may be gone the moment it was read.

mod sockets;
mod stat;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

pub use sockets::listeners;
pub(crate) use stat::Stat;

/// The largest environment that is read, in bytes.
const MAX_ENVIRON: u64 = 4 * 1024 * 1024;

/// The processes of an instance by its main process: its session, and all that descend from either. Zombies do not
/// count.
#[must_use]
pub fn processes(pid: u32) -> Vec<u32> {
    family(pid, &Stat::all())
}

/// [`processes`] among those that were read already.
pub(crate) fn family(pid: u32, all: &[Stat]) -> Vec<u32> {
    let mut found: BTreeSet<u32> =
        all.iter().filter(|s| s.pid == pid || s.session == pid).map(|s| s.pid).collect();
    loop {
        let children: Vec<u32> = all
            .iter()
            .filter(|s| found.contains(&s.parent) && !found.contains(&s.pid))
            .map(|s| s.pid)
            .collect();
        if children.is_empty() {
            break;
        }
        found.extend(children);
    }
    all.iter().filter(|s| !s.is_zombie() && found.contains(&s.pid)).map(|s| s.pid).collect()
}

/// The memory of `pids` together in bytes: proportional (`Pss` of `proc_pid_smaps_rollup(5)`), so that what they share
/// counts once, where that is readable, else resident. `None` when none of them is there.
#[must_use]
pub fn memory(pids: &[u32]) -> Option<u64> {
    sum(pids, |pid| proportional(pid).or_else(|| resident(pid)))
}

/// The resident memory of `pids` together in bytes: at least what [`memory`] says, and much quicker to read.
pub(crate) fn memory_at_most(pids: &[u32]) -> Option<u64> {
    sum(pids, resident)
}

fn sum(pids: &[u32], one: impl Fn(u32) -> Option<u64>) -> Option<u64> {
    pids.iter().filter_map(|&pid| one(pid)).reduce(u64::saturating_add)
}

fn proportional(pid: u32) -> Option<u64> {
    kilobytes(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

fn resident(pid: u32) -> Option<u64> {
    kilobytes(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// A figure out of a file of lines such as `VmRSS:      1234 kB`, in bytes.
fn kilobytes(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let figure = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(figure.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// The environment `pid` was started with; `None` when it cannot be read.
#[must_use]
pub fn environ_of(pid: u32) -> Option<BTreeMap<String, String>> {
    let path = format!("/proc/{pid}/environ");
    let bytes = crate::files::read_bounded(path.as_ref(), MAX_ENVIRON).ok()?;
    let variables = bytes.split(|&byte| byte == 0).filter_map(|variable| {
        let variable = String::from_utf8_lossy(variable);
        variable.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
    });
    Some(variables.collect())
}

/// The folder `pid` works in; `None` when it cannot be read.
#[must_use]
pub fn folder_of(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn stat(pid: u32, parent: u32, session: u32, state: char) -> Stat {
        Stat { pid, state, parent, session, ticks: 0 }
    }

    #[test]
    fn a_family_is_the_session_and_all_descendants() {
        let all = [
            stat(1, 0, 1, 'S'),
            stat(10, 5, 10, 'S'),
            stat(11, 10, 10, 'R'),
            stat(12, 11, 12, 'S'), // in a session of its own
            stat(13, 1, 10, 'S'),  // its parent is gone
            stat(14, 10, 10, 'Z'),
            stat(15, 14, 15, 'S'), // the child of a zombie
            stat(16, 1, 16, 'S'),
        ];
        assert_eq!(family(10, &all), [10, 11, 12, 13, 15]);
        assert_eq!(family(99, &all), [0; 0]);
    }

    #[test]
    fn a_running_process_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new("/bin/sh")
            .args(["-c", "sleep 60 & echo up; wait"])
            .env_clear()
            .env("NAME", "a=b\nc")
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Read::read_exact(&mut child.stdout.take().unwrap(), &mut [0; 3]).unwrap();
        let pid = child.id();
        let family = processes(pid);
        assert_eq!(family.len(), 2);
        assert_eq!(environ_of(pid).unwrap().get("NAME").map(String::as_str), Some("a=b\nc"));
        assert_eq!(folder_of(pid), Some(folder.path().canonicalize().unwrap()));
        let memory = memory(&family).unwrap();
        assert!((10_000..100_000_000).contains(&memory), "{memory}");
        assert!(memory_at_most(&family).unwrap() >= memory);
        for pid in family {
            let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
        child.wait().unwrap();
        assert!(processes(pid).is_empty());
        assert_eq!(environ_of(pid), None);
    }
}
