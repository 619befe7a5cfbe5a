//! The limit on an instance's memory: by a control group where one can be made, else by looking.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cgroup::Cgroup;
use crate::evidence;

/// How often the memory is looked at where there is no control group.
const LOOK: Duration = Duration::from_millis(250);

/// How the memory of an instance is limited.
#[derive(Debug)]
pub(crate) enum Memory {
    /// Not at all.
    Free,
    /// By the kernel.
    Grouped {
        cgroup: Cgroup,
        /// Processes it had killed before the running one was started.
        killed_before: u64,
    },
    /// By the shim.
    Watched {
        limit: u64,
        next: Duration,
        /// Whether the running instance was found to be over it.
        over: bool,
    },
}

impl Memory {
    /// Limits the instance called `name`; `earlier` is the control group a running one is in already. Gives why there
    /// is no control group, too.
    pub(crate) fn limit(
        name: &str,
        limit: Option<u64>,
        earlier: Option<&Path>,
    ) -> (Self, Option<std::io::Error>) {
        let grouped = |cgroup: Cgroup| Self::Grouped { killed_before: cgroup.oom_kills(), cgroup };
        match (earlier.and_then(Cgroup::existing), limit) {
            (Some(cgroup), _) => (grouped(cgroup), None),
            (None, None) => (Self::Free, None),
            (None, Some(limit)) => match Cgroup::make(name, limit) {
                Ok(cgroup) => (grouped(cgroup), None),
                Err(error) => (Self::Watched { limit, next: Duration::ZERO, over: false }, Some(error)),
            },
        }
    }

    /// A new process is about to start: what it must write itself into, if anything.
    pub(crate) fn begin(&mut self) -> Option<File> {
        match self {
            Self::Free => None,
            Self::Grouped { cgroup, killed_before } => {
                *killed_before = cgroup.oom_kills();
                cgroup.procs().ok()
            }
            Self::Watched { over, .. } => {
                *over = false;
                None
            }
        }
    }

    /// Whether processes of the running instance were killed for their memory.
    pub(crate) fn was_exceeded(&self) -> bool {
        match self {
            Self::Free => false,
            Self::Grouped { cgroup, killed_before } => cgroup.oom_kills() > *killed_before,
            Self::Watched { over, .. } => *over,
        }
    }

    /// When [`is_over`](Self::is_over) is to be asked next.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        match self {
            Self::Watched { next, over: false, .. } => Some(*next),
            _ => None,
        }
    }

    /// Looks at the instance's processes if it is time to: whether they are to be killed.
    pub(crate) fn is_over(&mut self, now: Duration, processes: &dyn Fn() -> Vec<u32>) -> bool {
        let Self::Watched { limit, next, over } = self else { return false };
        if *over || now < *next {
            return false;
        }
        *next = now + LOOK;
        let processes = processes();
        // The exact figure costs the kernel a walk over all pages; it is needed only when the cheap one is too high.
        let over_limit = |figure: Option<u64>| figure.is_some_and(|bytes| bytes > *limit);
        *over = over_limit(evidence::memory_at_most(&processes)) && over_limit(evidence::memory(&processes));
        *over
    }

    /// The control group's folder.
    pub(crate) fn cgroup(&self) -> Option<PathBuf> {
        match self {
            Self::Grouped { cgroup, .. } => Some(cgroup.path().to_owned()),
            _ => None,
        }
    }

    /// Takes the control group away.
    pub(crate) fn remove(self) {
        if let Self::Grouped { cgroup, .. } = self {
            cgroup.remove();
        }
    }
}
