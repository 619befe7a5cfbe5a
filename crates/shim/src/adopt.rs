//! What an earlier shim left: the process it started, if that is still the same one.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use landfall_model::{Exit, InstanceState, Timestamp};

use crate::evidence::Stat;
use crate::report::{Kept, boot_id};
use crate::{clock, exit};

/// What an earlier shim left in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Earlier {
    /// Nothing that matters: none ever ran here, or the last one stopped its instance.
    Nothing,
    /// The instance runs.
    Running { pid: u32, started: Timestamp, restarts: u32, last_exit: Option<Exit>, cgroup: Option<PathBuf> },
    /// The shim was killed, and the instance ended since.
    Ended {
        /// The session it led, where processes of it may be left.
        leader: Option<u32>,
        restarts: u32,
        last_exit: Option<Exit>,
        cgroup: Option<PathBuf>,
    },
}

impl Earlier {
    /// Finds out by the report that is kept in `folder` and, where that could not be written, by who holds its pipes.
    pub(crate) fn find(folder: &Path) -> Self {
        let kept = Kept::read(folder).ok().flatten();
        let stopped = kept.as_ref().is_none_or(|kept| kept.report.state == InstanceState::Stopped);
        match kept {
            Some(kept) if !stopped => match Self::of_kept(kept) {
                Self::Ended { restarts, last_exit, .. } if let Some(pid) = holder(folder) => {
                    Self::Running { pid, started: clock::now(), restarts, last_exit, cgroup: None }
                }
                found => found,
            },
            _ => holder(folder).map_or(Self::Nothing, |pid| Self::Running {
                pid,
                started: clock::now(),
                restarts: 0,
                last_exit: None,
                cgroup: None,
            }),
        }
    }

    fn of_kept(Kept { report, ticks, boot, cgroup, .. }: Kept) -> Self {
        let same_boot = boot == boot_id();
        let stat = report.pid.filter(|_| same_boot).and_then(Stat::of);
        let same = stat.as_ref().is_some_and(|stat| Some(stat.ticks) == ticks);
        match report.pid {
            Some(pid) if same && stat.as_ref().is_some_and(|stat| !stat.is_zombie()) => Self::Running {
                pid,
                started: report.started.unwrap_or_else(clock::now),
                restarts: report.restarts,
                last_exit: report.last_exit,
                cgroup,
            },
            Some(pid) => Self::Ended {
                // A number that somebody else has now names no session of ours.
                leader: (same_boot && (same || stat.is_none())).then_some(pid),
                restarts: report.restarts.saturating_add(1),
                last_exit: Some(exit::unknown()),
                cgroup,
            },
            None => {
                Self::Ended { leader: None, restarts: report.restarts, last_exit: report.last_exit, cgroup }
            }
        }
    }
}

/// The process that prints into the folder's pipes and leads a session: what a shim started.
fn holder(folder: &Path) -> Option<u32> {
    let pipes = ["out", "err"].map(|name| {
        let facts = fs::metadata(folder.join(name)).ok()?;
        Some((facts.dev(), facts.ino()))
    });
    if pipes.iter().all(Option::is_none) {
        return None;
    }
    let prints = |pid: u32| {
        [1, 2].iter().zip(&pipes).any(|(descriptor, pipe)| {
            let held = fs::metadata(format!("/proc/{pid}/fd/{descriptor}"));
            pipe.is_some() && held.ok().map(|facts| (facts.dev(), facts.ino())) == *pipe
        })
    };
    let found = Stat::all()
        .into_iter()
        .find(|stat| stat.pid == stat.session && !stat.is_zombie() && prints(stat.pid));
    found.map(|stat| stat.pid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Report;

    fn kept(pid: Option<u32>, ticks: Option<u64>, state: InstanceState) -> Kept {
        let report = Report { state, pid, started: None, restarts: 3, last_exit: None, shim_pid: 1 };
        Kept { ticks, ..Kept::new(report) }
    }

    #[test]
    fn a_process_is_the_same_by_number_start_and_boot() {
        let own = Stat::of(std::process::id()).unwrap();
        let of = |kept| Earlier::of_kept(kept);
        let running = kept(Some(own.pid), Some(own.ticks), InstanceState::Booting);
        assert!(matches!(of(running.clone()), Earlier::Running { pid, restarts: 3, .. } if pid == own.pid));
        let other = kept(Some(own.pid), Some(own.ticks + 1), InstanceState::Booting);
        assert!(matches!(of(other), Earlier::Ended { leader: None, restarts: 4, .. }));
        let rebooted = Kept { boot: "before".to_owned(), ..running };
        assert!(matches!(of(rebooted), Earlier::Ended { leader: None, last_exit: Some(_), .. }));
        let waiting = kept(None, None, InstanceState::BackingOff);
        assert!(matches!(of(waiting), Earlier::Ended { leader: None, restarts: 3, last_exit: None, .. }));
    }

    #[test]
    fn a_folder_where_all_was_stopped_holds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Earlier::find(folder.path()), Earlier::Nothing);
        kept(None, None, InstanceState::Stopped).write(folder.path()).unwrap();
        assert_eq!(Earlier::find(folder.path()), Earlier::Nothing);
    }
}
