//! The main process of an instance: a child of this shim, or one that an earlier shim started.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use landfall_model::Timestamp;
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::evidence::Stat;
use crate::program::Target;
use crate::session;

/// A main process that has not been seen to end.
#[derive(Debug)]
pub(crate) struct Main {
    pub(crate) pid: u32,
    pub(crate) started: Timestamp,
    /// Its start in clock ticks since the boot.
    pub(crate) ticks: Option<u64>,
    /// Whether this shim started it and will be told its exit code.
    pub(crate) is_child: bool,
    target: Target,
    /// Names it whatever happens to its number; readable when it has ended.
    fd: OwnedFd,
}

impl Main {
    /// Takes hold of a process.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn hold(pid: u32, started: Timestamp, is_child: bool, target: Target) -> io::Result<Self> {
        let number = session::number(pid).ok_or(io::ErrorKind::NotFound)?;
        let fd = pidfd_open(number, PidfdFlags::empty())?;
        Ok(Self { pid, started, ticks: Stat::of(pid).map(|stat| stat.ticks), is_child, target, fd })
    }

    /// Sends a signal to whom it is meant for: the process itself or, of a shell that passes nothing on, its group.
    pub(crate) fn signal(&self, signal: Signal) {
        match self.target {
            Target::Main => {
                let _ = pidfd_send_signal(&self.fd, signal);
            }
            // It leads its group, whose number nobody else gets while any member lives.
            Target::Group => session::send_group(self.pid, signal),
        }
    }
}

impl AsFd for Main {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
