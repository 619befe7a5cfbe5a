//! Ends builds, tests and calls of tools that an agent which was killed left running: they would write into what is laid
//! out anew, or go on with what is being taken back.

use std::fs;
use std::path::Path;
use std::time::Duration;

use landfall_fx::Clock;
use landfall_shim::evidence;
use rustix::process::{Pid, Signal, kill_process};

/// How long what was sent SIGKILL is waited for.
const GONE: Duration = Duration::from_secs(2);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// Ends every process that works in `folder`, with its descendants. The caller makes sure that no instance runs there.
pub(crate) fn end(folder: &Path, clock: &dyn Clock) {
    end_all(folder, clock, |_| true);
}

/// The same, but for what this very agent started, and what lives among processes of its own (a container). Gives whether
/// there was any.
pub(crate) fn end_orphans(folder: &Path, clock: &dyn Clock) -> bool {
    let world = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let own = std::process::id();
    let (ours, here) = (evidence::processes(own), world(own));
    end_all(folder, clock, |pid| !ours.contains(&pid) && world(pid) == here)
}

fn end_all(folder: &Path, clock: &dyn Clock, is_left: impl Fn(u32) -> bool) -> bool {
    let begun = clock.elapsed();
    let mut found = false;
    loop {
        let mut left = find(folder);
        left.retain(|pid| is_left(*pid));
        if left.is_empty() || clock.elapsed() - begun > GONE {
            return found;
        }
        found = true;
        for pid in left.into_iter().filter_map(|pid| Pid::from_raw(pid.cast_signed())) {
            // One that has ended by itself is what was wanted.
            let _ = kill_process(pid, Signal::KILL);
        }
        clock.sleep(LOOK);
    }
}

fn find(folder: &Path) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let own = std::process::id();
    let works_here = |pid: &u32| evidence::folder_of(*pid).is_some_and(|runs_in| runs_in.starts_with(folder));
    pids.filter(|pid| *pid != own && works_here(pid)).flat_map(evidence::processes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_fx::SystemClock;
    use std::process::Command;

    #[test]
    fn what_works_in_a_folder_is_ended() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let below = folder.path().join("below");
        fs::create_dir(&below).unwrap();
        let sleep = |folder: &Path| Command::new("sleep").arg("300").current_dir(folder).spawn().unwrap();
        let (mut here, mut other) = (sleep(&below), sleep(elsewhere.path()));
        end(&folder.path().canonicalize().unwrap(), &SystemClock::new());
        assert!(!here.wait().unwrap().success());
        assert_eq!(other.try_wait().unwrap(), None);
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn what_this_agent_started_itself_is_no_orphan() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        let mut own = Command::new("sleep").arg("300").current_dir(&path).spawn().unwrap();
        // The shell ends at once, so that nobody waits for what it started in a session of its own.
        let said = Command::new("sh")
            .args(["-c", "setsid sleep 300 >&- 2>&- & echo $!"])
            .current_dir(&path)
            .output()
            .unwrap();
        let orphan: u32 = String::from_utf8(said.stdout).unwrap().trim().parse().unwrap();
        assert!(evidence::folder_of(orphan).is_some());
        assert!(end_orphans(&path, &SystemClock::new()));
        assert_eq!(evidence::folder_of(orphan), None);
        assert_eq!(own.try_wait().unwrap(), None);
        assert!(!end_orphans(&path, &SystemClock::new()), "it was all there was");
        own.kill().unwrap();
        own.wait().unwrap();
    }
}
