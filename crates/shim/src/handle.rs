//! How to talk to a shim.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::Report;
use crate::clock::Monotonic;
use crate::server::socket_path;

/// How long a shim may take to say its first word, and to take a command.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest line a shim may send, in bytes.
const MAX_LINE: usize = 64 * 1024;

/// A connection to the shim of one instance: the newest report, changes as they come, and commands.
#[derive(Debug)]
pub struct Handle {
    stream: UnixStream,
    pending: Vec<u8>,
    report: Report,
}

impl Handle {
    /// Connects to the shim that lives in `folder` and reads its report.
    ///
    /// # Errors
    /// `NotFound` or `ConnectionRefused` where no shim runs (yet); `TimedOut` after 2 s without an answer.
    pub fn connect(folder: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket_path(folder))?;
        stream.set_nonblocking(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut pending = Vec::new();
        let report = read_report(&mut &stream, &mut pending, PATIENCE)?;
        Ok(Self { stream, pending, report: report.ok_or(io::ErrorKind::TimedOut)? })
    }

    /// The newest report that was read.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Waits for a change, at most `timeout`, and gives the report after it; `None` when nothing changed. With a
    /// timeout of zero it never waits: call it until `None` when [`as_fd`](Self::as_fd) is readable.
    ///
    /// # Errors
    /// `UnexpectedEof` when the shim is gone; its last report before that says `Stopped` unless it was killed.
    pub fn next(&mut self, timeout: Duration) -> io::Result<Option<Report>> {
        let report = read_report(&mut &self.stream, &mut self.pending, timeout)?;
        if let Some(report) = &report {
            self.report = report.clone();
        }
        Ok(report)
    }

    /// Asks the shim to stop its instance, with the order's signal and grace, and to end. Does not wait: the report
    /// becomes `Stopping` and then `Stopped`. Asking twice does no harm.
    ///
    /// # Errors
    /// `BrokenPipe` when the shim is gone.
    pub fn stop(&mut self) -> io::Result<()> {
        (&self.stream).write_all(b"stop\n")
    }

    /// Sends the instance's main process a signal by name: `HUP`, `USR1`. The shim ignores names it does not know.
    ///
    /// # Errors
    /// `InvalidInput` for what cannot be a name, `BrokenPipe` when the shim is gone.
    pub fn signal(&mut self, name: &str) -> io::Result<()> {
        if name.is_empty() || name.len() > 16 || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{name}` is not a signal")));
        }
        (&self.stream).write_all(format!("signal {name}\n").as_bytes())
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Reads the next whole line as a report, waiting at most `timeout` for it.
fn read_report(
    stream: &mut &UnixStream,
    pending: &mut Vec<u8>,
    timeout: Duration,
) -> io::Result<Option<Report>> {
    let clock = Monotonic::new();
    let mut block = [0; 4096];
    loop {
        if let Some(end) = pending.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            return serde_json::from_slice(&line)
                .map(Some)
                .map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why));
        }
        if pending.len() > MAX_LINE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a shim's report has no end"));
        }
        match stream.read(&mut block) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => pending.extend_from_slice(&block[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let left = timeout.saturating_sub(clock.elapsed());
                if left.is_zero() {
                    return Ok(None);
                }
                wait_readable(stream, left)?;
            }
            Err(error) => return Err(error),
        }
    }
}

fn wait_readable(stream: &UnixStream, timeout: Duration) -> io::Result<()> {
    let timeout = Timespec::try_from(timeout).ok();
    match poll(&mut [PollFd::new(stream, PollFlags::IN)], timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
