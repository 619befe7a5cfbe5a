//! Starting a process that outlives the agent: its own session, its output to a log file.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// A log that has grown over this is begun anew when its process starts, the old one kept beside it as `.1`.
const MAX_LOG: u64 = 4 * 1024 * 1024;

/// Sets a command up to run in its own session with standard output and error appended to `log`.
///
/// # Errors
/// A log that cannot be opened.
pub(crate) fn detached(command: &mut Command, log: &Path) -> io::Result<File> {
    if log.metadata().is_ok_and(|facts| facts.len() > MAX_LOG) {
        std::fs::rename(log, log.with_extension("log.1"))?;
    }
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(log)?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file.try_clone()?);
    new_session(command);
    Ok(file)
}

#[expect(unsafe_code, reason = "a session of its own can only be made between fork and exec")]
fn new_session(command: &mut Command) {
    let make = || {
        rustix::process::setsid()?;
        Ok(())
    };
    // SAFETY: the closure runs in the forked child before exec; it calls setsid(2) alone, which is async-signal-safe,
    // allocates nothing and touches no memory of the parent.
    unsafe {
        command.pre_exec(make);
    }
}
