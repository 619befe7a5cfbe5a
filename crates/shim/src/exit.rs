//! From the kernel's words for the end of a process to ours.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use landfall_model::Exit;
use rustix::process::WaitStatus;

use crate::{clock, signals};

/// The exit of a process that ended just now; `None` for a status that is no end.
pub(crate) fn of_wait(status: WaitStatus) -> Option<Exit> {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Some(with_code(code)),
        (_, Some(signal)) => Some(with_signal(signal)),
        (None, None) => None,
    }
}

/// The exit of a child that ended just now.
pub(crate) fn of_child(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => with_code(code),
        (None, Some(signal)) => with_signal(signal),
        (None, None) => unknown(),
    }
}

/// An exit just now with this code.
pub(crate) fn with_code(code: i32) -> Exit {
    Exit { code: Some(code), ..unknown() }
}

/// An exit just now that nobody could read the reason of.
pub(crate) fn unknown() -> Exit {
    Exit { code: None, signal: None, oom: false, at: clock::now() }
}

fn with_signal(number: i32) -> Exit {
    Exit { signal: Some(signals::name(number)), ..unknown() }
}

/// Whether a process that ended so was, or may have been, killed: by the signal itself, in a shell that passes it on
/// as 128 + 9, or nobody knows.
pub(crate) fn may_be_kill(exit: &Exit) -> bool {
    match (exit.code, exit.signal.as_deref()) {
        (None, Some(signal)) => signal == "KILL",
        (Some(code), _) => code == 128 + 9,
        (None, None) => true,
    }
}
