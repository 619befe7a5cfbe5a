//! The shim's end of its socket: reports out, commands in.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::{Report, signals};

/// The clients that are served at once; more are sent away.
const MAX_CLIENTS: usize = 32;
/// The longest command, in bytes.
const MAX_COMMAND: usize = 64;
/// The commands that are read from one client in one go.
const MAX_COMMANDS: usize = 16;

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// `stop`.
    Stop,
    /// `signal NAME`.
    Signal(Signal),
}

/// A socket and who is connected to it. A client gets each report as a line of JSON; one that does not read them, or
/// sends what is no command, is sent away.
#[derive(Debug)]
pub(crate) struct Server {
    path: PathBuf,
    listener: UnixListener,
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    pending: Vec<u8>,
}

impl Server {
    /// Listens on `folder/shim.sock`, mode 0600, in place of whatever was there.
    ///
    /// # Errors
    /// What the system refuses; a path too long for a socket.
    pub(crate) fn bind(folder: &Path) -> io::Result<Self> {
        // Nobody sees it before it is private: it gets its name, no longer than the last, when it is ready.
        let beside = folder.join("shim.new");
        let _ = fs::remove_file(&beside);
        let listener = UnixListener::bind(&beside)?;
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        let path = socket_path(folder);
        fs::rename(&beside, &path)?;
        Ok(Self { path, listener, clients: Vec::new() })
    }

    /// What is to be polled for reading.
    pub(crate) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.listener.as_fd()).chain(self.clients.iter().map(|client| client.stream.as_fd()))
    }

    /// Lets in who waits and gives each `report`, then gives what the clients ask for. Never waits.
    pub(crate) fn serve(&mut self, report: &Report) -> Vec<Request> {
        while let Ok((stream, _)) = self.listener.accept() {
            let mut client = Client { stream, pending: Vec::new() };
            let ready = self.clients.len() < MAX_CLIENTS && client.stream.set_nonblocking(true).is_ok();
            if ready && client.tell(&line_of(report)) {
                self.clients.push(client);
            }
        }
        let mut requests = Vec::new();
        self.clients.retain_mut(|client| client.read(&mut requests));
        requests
    }

    /// Gives every client the report.
    pub(crate) fn publish(&mut self, report: &Report) {
        let line = line_of(report);
        self.clients.retain_mut(|client| client.tell(&line));
    }
}

impl Drop for Server {
    /// Takes the socket away.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Client {
    /// Sends a line; `false` when it cannot be sent at once and as a whole.
    fn tell(&mut self, line: &[u8]) -> bool {
        self.stream.write(line).is_ok_and(|count| count == line.len())
    }

    /// Reads commands; `false` when the client is gone or talks nonsense.
    fn read(&mut self, requests: &mut Vec<Request>) -> bool {
        let mut block = [0; MAX_COMMAND];
        for _ in 0..MAX_COMMANDS {
            match self.stream.read(&mut block) {
                Ok(0) => return false,
                Ok(count) => self.pending.extend_from_slice(&block[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
            while let Some(end) = self.pending.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                match parse(&line[..end]) {
                    Command::Known(request) => requests.push(request),
                    Command::Ignored => {}
                    Command::Nonsense => return false,
                }
            }
            if self.pending.len() > MAX_COMMAND {
                return false;
            }
        }
        true
    }
}

enum Command {
    Known(Request),
    /// A signal this machine does not know.
    Ignored,
    Nonsense,
}

fn parse(line: &[u8]) -> Command {
    match std::str::from_utf8(line).unwrap_or_default().split_once(' ') {
        None if line == b"stop" => Command::Known(Request::Stop),
        Some(("signal", name)) => {
            signals::signal(name).map_or(Command::Ignored, |signal| Command::Known(Request::Signal(signal)))
        }
        _ => Command::Nonsense,
    }
}

fn line_of(report: &Report) -> Vec<u8> {
    let mut line = serde_json::to_vec(report).expect("a report has a JSON form: its keys are strings");
    line.push(b'\n');
    line
}

/// Where a shim listens.
pub(crate) fn socket_path(folder: &Path) -> PathBuf {
    folder.join("shim.sock")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Handle;
    use landfall_model::InstanceState;
    use std::time::Duration;

    fn report(restarts: u32) -> Report {
        Report {
            state: InstanceState::Booting,
            pid: Some(1),
            started: None,
            restarts,
            last_exit: None,
            shim_pid: 2,
        }
    }

    /// Connects a handle while the server serves.
    fn connect(server: &mut Server, folder: &Path, shown: &Report) -> Handle {
        std::thread::scope(|scope| {
            let handle = scope.spawn(|| Handle::connect(folder));
            while !handle.is_finished() {
                server.serve(shown);
                std::thread::yield_now();
            }
            handle.join().unwrap().unwrap()
        })
    }

    #[test]
    fn a_client_gets_reports_and_gives_commands() {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::bind(folder.path()).unwrap();
        let mode = fs::metadata(socket_path(folder.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut handle = connect(&mut server, folder.path(), &report(0));
        assert_eq!(handle.report().restarts, 0);
        assert_eq!(handle.next(Duration::ZERO).unwrap(), None);
        server.publish(&report(1));
        server.publish(&report(2));
        let wait = Duration::from_secs(5);
        assert_eq!(handle.next(wait).unwrap().unwrap().restarts, 1);
        assert_eq!(handle.next(wait).unwrap().unwrap().restarts, 2);
        handle.signal("HUP").unwrap();
        handle.signal("NOSUCH").unwrap();
        handle.stop().unwrap();
        assert!(handle.signal("HUP\nstop").is_err());
        assert_eq!(server.serve(&report(2)), [Request::Signal(Signal::HUP), Request::Stop]);
        drop(server);
        assert_eq!(handle.next(wait).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(Handle::connect(folder.path()).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn clients_are_bounded_and_bad_ones_are_sent_away() {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::bind(folder.path()).unwrap();
        let raw = || UnixStream::connect(socket_path(folder.path())).unwrap();
        let many: Vec<UnixStream> = (0..MAX_CLIENTS + 8).map(|_| raw()).collect();
        server.serve(&report(0));
        assert_eq!(server.clients.len(), MAX_CLIENTS);
        drop(many);
        server.serve(&report(0));
        assert_eq!(server.clients.len(), 0);
        for nonsense in ["what\n", &"x".repeat(1000)] {
            let mut client = raw();
            server.serve(&report(0));
            client.write_all(nonsense.as_bytes()).unwrap();
            assert_eq!(server.serve(&report(0)), []);
            assert_eq!(server.clients.len(), 0, "{nonsense}");
        }
        let _deaf = raw();
        server.serve(&report(0));
        let mut sent = 0;
        while !server.clients.is_empty() {
            server.publish(&report(sent));
            sent += 1;
            assert!(sent < 100_000, "a client that never reads is still there");
        }
    }
}
