//! Commands that end: builds, tests, the preparing of dependencies.

use std::collections::BTreeMap;
use std::io::{self, PipeReader, Read as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use landfall_model::{Command, Exit, Stream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::process::{PidfdFlags, Signal, pidfd_open};

use crate::clock::Monotonic;
use crate::lines::Lines;
use crate::session::{Session, number};
use crate::start::{Surroundings, start};
use crate::{Redactor, exit, program};

/// How often `cancelled` is asked.
const ASK: Duration = Duration::from_millis(100);
/// The time a command has between TERM and KILL.
const GRACE: Duration = Duration::from_secs(2);
/// How long killed processes may take until they are gone.
const GONE: Duration = Duration::from_secs(5);
/// How much is read at a time, in bytes.
const BLOCK: usize = 64 * 1024;
/// How many blocks are read when all is over: more than a pipe holds (`pipe(7)`: 64 KiB).
const MAX_REST: usize = 32;

/// A command to be run to its end.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// What is run.
    pub command: Command,
    /// The folder it is run in, absolute.
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
/// command waits while `lines` works. `cancelled` is asked every 100 ms or so. Whatever of the session is left when
/// the command ends is killed. Blocks; belongs on a thread that may.
///
/// # Errors
/// `Interrupted` when `cancelled` said so and `TimedOut` after `timeout`: the whole session was sent TERM, 2 s later
/// KILL, and is gone. `NotFound`, `PermissionDenied` and others when the program cannot be started; a shell line whose
/// program is not there is no error but exits with 127.
pub fn run_command(
    request: &RunRequest,
    lines: &mut dyn FnMut(Stream, &str),
    cancelled: &dyn Fn() -> bool,
) -> io::Result<Exit> {
    let mut env = request.env.clone();
    env.extend(request.secrets.clone());
    let program = program::program(&request.command, &request.folder, &env).map_err(|missing| {
        let kind = if missing.code == program::NOT_EXECUTABLE {
            io::ErrorKind::PermissionDenied
        } else {
            io::ErrorKind::NotFound
        };
        io::Error::new(kind, missing.message)
    })?;
    let (out, stdout) = io::pipe()?;
    let (err, stderr) = io::pipe()?;
    let outputs = [Output::new(Stream::Out, out)?, Output::new(Stream::Err, err)?];
    let redactor = Redactor::new(&request.secrets);
    let child = start(
        &program,
        Surroundings {
            folder: &request.folder,
            env: &env,
            stdout: stdout.into(),
            stderr: stderr.into(),
            files: None,
            cgroup: None,
        },
    )?;
    let mut task = Task { session: Session::of_command(child.id()), child, outputs, redactor };
    let ended = task.finish(request.timeout, lines, cancelled);
    if ended.is_err() {
        task.session.signal(Signal::KILL);
        task.child.wait()?;
    }
    ended
}

/// One of the command's streams.
struct Output {
    stream: Stream,
    pipe: PipeReader,
    open: bool,
    lines: Lines,
}

impl Output {
    fn new(stream: Stream, pipe: PipeReader) -> io::Result<Self> {
        rustix::fs::fcntl_setfl(&pipe, OFlags::NONBLOCK)?;
        Ok(Self { stream, pipe, open: true, lines: Lines::default() })
    }

    /// Reads one block, if there is any; gives whether there was.
    fn read(&mut self, redactor: &Redactor, lines: &mut dyn FnMut(Stream, &str)) -> bool {
        let mut block = [0; BLOCK];
        match self.pipe.read(&mut block) {
            Ok(0) => self.open = false,
            Ok(count) => {
                self.lines.push(&block[..count], redactor, &mut |line| lines(self.stream, line));
                return true;
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => self.open = false,
        }
        false
    }
}

/// A command that runs.
struct Task {
    child: Child,
    session: Session,
    outputs: [Output; 2],
    redactor: Redactor,
}

/// Why a command is being ended.
struct Ending {
    kind: io::ErrorKind,
    since: Duration,
    killed: bool,
}

impl Task {
    /// Waits for the end, or brings it about.
    fn finish(
        &mut self,
        timeout: Duration,
        lines: &mut dyn FnMut(Stream, &str),
        cancelled: &dyn Fn() -> bool,
    ) -> io::Result<Exit> {
        let clock = Monotonic::new();
        let mut ending: Option<Ending> = None;
        let main = number(self.child.id()).map(|pid| pidfd_open(pid, PidfdFlags::empty())).transpose()?;
        let status = loop {
            self.wait(main.as_ref(), lines)?;
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            match &mut ending {
                None => {
                    let kind = if cancelled() {
                        io::ErrorKind::Interrupted
                    } else if clock.elapsed() > timeout {
                        io::ErrorKind::TimedOut
                    } else {
                        continue;
                    };
                    self.session.signal(Signal::TERM);
                    ending = Some(Ending { kind, since: clock.elapsed(), killed: false });
                }
                Some(ending) if !ending.killed && clock.elapsed() > ending.since + GRACE => {
                    self.session.signal(Signal::KILL);
                    ending.killed = true;
                }
                Some(_) => {}
            }
        };
        self.end_session(lines)?;
        match ending {
            Some(ending) => Err(ending.kind.into()),
            None => Ok(exit::of_child(status)),
        }
    }

    /// Reads what there is, or waits at most [`ASK`] for it or for the end of the main process.
    fn wait(&mut self, main: Option<&OwnedFd>, lines: &mut dyn FnMut(Stream, &str)) -> io::Result<()> {
        let mut fds: Vec<PollFd<'_>> = main.iter().map(|fd| PollFd::new(*fd, PollFlags::IN)).collect();
        let open = self.outputs.iter().filter(|output| output.open);
        fds.extend(open.map(|output| PollFd::new(&output.pipe, PollFlags::IN)));
        match poll(&mut fds, Timespec::try_from(ASK).ok().as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for output in self.outputs.iter_mut().filter(|output| output.open) {
            output.read(&self.redactor, lines);
        }
        Ok(())
    }

    /// Kills what the main process left behind, waits until it is gone, and reads what is left in the pipes. A process
    /// that got away with a pipe in hand is not waited for.
    fn end_session(&mut self, lines: &mut dyn FnMut(Stream, &str)) -> io::Result<()> {
        let clock = Monotonic::new();
        while self.session.signal(Signal::KILL) > 0 && clock.elapsed() < GONE {
            poll(&mut [], Timespec::try_from(ASK / 20).ok().as_ref()).or_else(|error| match error {
                rustix::io::Errno::INTR => Ok(0),
                error => Err(error),
            })?;
        }
        for output in &mut self.outputs {
            for _ in 0..MAX_REST {
                if !output.open || !output.read(&self.redactor, lines) {
                    break;
                }
            }
            output.lines.flush(&self.redactor, &mut |line| lines(output.stream, line));
        }
        Ok(())
    }
}
