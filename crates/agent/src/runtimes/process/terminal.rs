//! A pseudo-terminal for `exec`, after `pty(7)`: the command gets one side, frames the other.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::process::Command;

/// The controlling side of a terminal.
pub(crate) struct Terminal {
    controller: OwnedFd,
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
            rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )?;
        let terminal = Self { controller };
        terminal.resize(rows, columns)?;
        let side = || user.try_clone().map(Stdio::from);
        command.stdin(side()?).stdout(side()?).stderr(side()?);
        controlling(command);
        Ok(terminal)
    }

    /// Changes its size; the command is told by SIGWINCH.
    pub(crate) fn resize(&self, rows: u16, columns: u16) -> io::Result<()> {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(&self.controller, size)?)
    }

    /// What the command prints, and what it reads.
    pub(crate) fn streams(&self) -> io::Result<(tokio::fs::File, tokio::fs::File)> {
        let file = || self.controller.try_clone().map(|fd| tokio::fs::File::from_std(File::from(fd)));
        Ok((file()?, file()?))
    }
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
