//! Commands that end: builds, tests, the preparing of dependencies.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use landfall_model::{Command, Exit, Stream};

/// A command to be run to its end.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// What is run.
    pub command: Command,
    /// The folder it is run in.
    pub folder: PathBuf,
    /// Its complete environment without secrets; nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// Secrets: added to the environment and blacked out in every line.
    pub secrets: BTreeMap<String, String>,
    /// The longest it may take.
    pub timeout: Duration,
}

/// Runs a command to its end in a session of its own and gives each line of its output to `lines` as it comes,
/// secrets blacked out, at most 16 KiB each (longer ones in pieces). However much is printed, nothing is kept: the
/// command waits while `lines` works. `cancelled` is asked every 100 ms at least. Whatever of the session is left when
/// the command ends is killed.
///
/// # Errors
/// `Interrupted` when `cancelled` said so and `TimedOut` after `timeout`: the whole session was sent TERM, 2 s later
/// KILL, and is gone. `NotFound`, `PermissionDenied` and others when the program cannot be started.
pub fn run_command(
    request: &RunRequest,
    lines: &mut dyn FnMut(Stream, &str),
    cancelled: &dyn Fn() -> bool,
) -> io::Result<Exit> {
    let _ = (request, lines, cancelled);
    Err(io::ErrorKind::Unsupported.into())
}
