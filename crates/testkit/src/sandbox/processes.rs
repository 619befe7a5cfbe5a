//! The processes of a sandbox: those whose arguments, environment or working folder name its folder, which no other
//! process on the machine does.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use crate::wait::wait_for;

/// How long a killed process may take to be gone.
const GONE: Duration = Duration::from_secs(10);

/// A process that belongs to a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its arguments, as the kernel shows them.
    pub arguments: Vec<String>,
}

impl Process {
    /// Whether it is the program in the role that these first arguments stand for: `["agent", "run"]`.
    #[must_use]
    pub fn is_role(&self, role: &[&str]) -> bool {
        self.arguments.iter().skip(1).map(String::as_str).take(role.len()).eq(role.iter().copied())
    }

    /// Resident memory in bytes; `None` when it is gone.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
    }
}

/// The processes that name `root`, this one left out; zombies too.
#[must_use]
pub fn processes_of(root: &Path) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut found: Vec<Process> =
        pids.filter(|pid| *pid != std::process::id()).filter_map(|pid| look_at(pid, root)).collect();
    found.sort_by_key(|process| process.pid);
    found
}

fn look_at(pid: u32, root: &Path) -> Option<Process> {
    let folder = Path::new("/proc").join(pid.to_string());
    let arguments = fs::read(folder.join("cmdline")).ok()?;
    let environment = fs::read(folder.join("environ")).unwrap_or_default();
    let works_in = fs::read_link(folder.join("cwd")).unwrap_or_default();
    let needle = root.as_os_str().as_bytes();
    let names = |text: &[u8]| text.windows(needle.len()).any(|window| window == needle);
    (names(&arguments) || names(&environment) || works_in.starts_with(root)).then(|| Process {
        pid,
        arguments: arguments
            .split(|byte| *byte == 0)
            .filter(|word| !word.is_empty())
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect(),
    })
}

/// Sends a signal; fine when there is no such process any more.
pub fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // It may be gone already, which is what was wanted.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Kills every process that names `root`, supervisors before what they supervise, until none is left. Gives what
/// would not go.
pub fn kill_all(root: &Path) -> Vec<Process> {
    let supervises = |process: &Process| {
        [&["agent", "run"][..], &["shim"], &["proxy", "run"]].iter().any(|role| process.is_role(role))
    };
    let gone = wait_for(GONE, || {
        let all = processes_of(root);
        let (first, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(supervises);
        let now = if first.is_empty() { &rest } else { &first };
        for process in now {
            signal(process.pid, rustix::process::Signal::KILL);
        }
        now.is_empty().then_some(())
    });
    if gone.is_some() { Vec::new() } else { processes_of(root) }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn finds_and_kills_what_names_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let script = "trap '' TERM; sleep 300 & wait";
        let mut by_folder = Command::new("sh").args(["-c", script]).current_dir(root.path()).spawn().unwrap();
        let mut by_variable = Command::new("sleep").arg("300").env("WHERE", root.path()).spawn().unwrap();
        wait_for(GONE, || (processes_of(root.path()).len() == 3).then_some(()));
        let found = processes_of(root.path());
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.iter().any(|process| process.is_role(&["-c", script])), "{found:?}");
        assert!(found.iter().all(|process| process.memory().is_some_and(|bytes| bytes > 10_000)));

        // Zombies of this test are reaped beside it, as the kernel would do for orphans.
        let reaper = std::thread::spawn(move || (by_folder.wait().unwrap(), by_variable.wait().unwrap()));
        assert_eq!(kill_all(root.path()), []);
        reaper.join().unwrap();
    }
}
