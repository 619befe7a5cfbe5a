//! A pseudo-terminal for `exec`, after `pty(7)`: the command gets one side, frames the other. Neither reading nor
//! writing takes a thread: a terminal that nobody types into costs nothing.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::Arc;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::unix::AsyncFd;
use tokio::process::Command;

/// The controlling side of a terminal.
#[derive(Debug, Clone)]
pub(crate) struct Terminal {
    controller: Arc<AsyncFd<OwnedFd>>,
}

impl Terminal {
    /// Makes a terminal of this size and sets the command up to run in it, in a session of its own.
    pub(crate) fn attach(command: &mut Command, rows: u16, columns: u16) -> io::Result<Self> {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&controller)?;
        unlockpt(&controller)?;
        let name = ptsname(&controller, Vec::new())?;
        let user = rustix::fs::open(
            name.as_c_str(),
            OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )?;
        rustix::fs::fcntl_setfl(&controller, OFlags::RDWR | OFlags::NONBLOCK)?;
        let terminal = Self { controller: Arc::new(watched(controller)?) };
        terminal.resize(rows, columns)?;
        let side = || user.try_clone().map(Stdio::from);
        command.stdin(side()?).stdout(side()?).stderr(side()?);
        controlling(command);
        Ok(terminal)
    }

    /// Changes its size; the command is told by SIGWINCH.
    pub(crate) fn resize(&self, rows: u16, columns: u16) -> io::Result<()> {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(self.controller.get_ref(), size)?)
    }

    /// Reads what the command prints; 0 when its last process has ended.
    pub(crate) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.controller.readable().await?;
            match ready.try_io(|fd| Ok(rustix::io::read(fd, &mut *buffer)?)) {
                // Nobody has the other side open any more.
                Ok(Err(error)) if Errno::from_io_error(&error) == Some(Errno::IO) => return Ok(0),
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(read) => return read,
                Err(_would_block) => {}
            }
        }
    }

    /// Types: waits while the command does not read.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let mut ready = self.controller.writable().await?;
            match ready.try_io(|fd| Ok(rustix::io::write(fd, bytes)?)) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(written) => bytes = &bytes[written?..],
                Err(_would_block) => {}
            }
        }
        Ok(())
    }
}

#[expect(unsafe_code, reason = "tokio takes a descriptor only from who promises to keep it open")]
fn watched(controller: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` owns an open descriptor; it goes into the `AsyncFd`, and nothing here replaces or closes it
    // as long as that lives.
    Ok(unsafe { AsyncFd::register(controller)? })
}

#[expect(unsafe_code, reason = "the controlling terminal of a session can only be set between fork and exec")]
fn controlling(command: &mut Command) {
    let make = || {
        rustix::process::setsid()?;
        rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
        Ok(())
    };
    // SAFETY: the closure runs in the forked child before exec; it makes two system calls, setsid(2) and ioctl(2), which
    // are async-signal-safe, on the standard input that was set up as the terminal's side; it allocates nothing.
    unsafe {
        command.pre_exec(make);
    }
}
