//! Ends builds and tests that an agent which was killed left running: they would write into what is laid out anew.

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
    let begun = clock.elapsed();
    loop {
        let left = find(folder);
        if left.is_empty() || clock.elapsed() - begun > GONE {
            return;
        }
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
}
