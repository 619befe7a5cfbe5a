//! One `exec`: a command beside the instances, with their environment and secrets, its streams as frames.

use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use landfall_model::api::ExecRequest;
use landfall_model::api::exec::{HEADER, Kind, MAX_PAYLOAD, header, parse_header};
use landfall_model::{Fault, Release, Runtime};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{self, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::environment;
use super::terminal::Terminal;
use crate::host::LocalHost;
use crate::runtimes::{compose, docker};

/// Frames waiting to be sent; a command that prints faster waits.
const QUEUE: usize = 16;

/// Bytes of output in one frame.
const PIECE: usize = 16 * 1024;

/// Frames of input that a command has not read yet; then the client waits.
const INPUT_QUEUE: usize = 64;

/// What is typed at a terminal to say that no more will come, `termios(3)`: EOF.
const END_OF_INPUT: u8 = 4;

pub(crate) type Frame = (Kind, Vec<u8>);

/// Serves one upgraded connection to its end. A client that goes away ends the command.
pub(crate) async fn exec_session(
    host: Arc<LocalHost>,
    release: Release,
    connection: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) {
    let (mut reader, mut writer) = io::split(connection);
    let (frames, mut outgoing) = mpsc::channel::<Frame>(QUEUE);
    let sending = tokio::spawn(async move {
        while let Some((kind, payload)) = outgoing.recv().await {
            let head = header(kind, payload.len());
            if writer.write_all(&head).await.is_err() || writer.write_all(&payload).await.is_err() {
                return;
            }
        }
        // The peer may be gone already.
        let _ = writer.shutdown().await;
    });
    let last = match session(&host, &release, &mut reader, &frames).await {
        Ok(code) => (Kind::Exit, code.to_be_bytes().to_vec()),
        Err(fault) => (Kind::Fault, serde_json::to_vec(&fault).unwrap_or_default()),
    };
    // A client that went away needs no last frame.
    let _ = frames.send(last).await;
    drop(frames);
    let _ = sending.await;
}

/// The next frame of the client.
pub(crate) async fn read_frame(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Frame> {
    let mut head = [0; HEADER];
    reader.read_exact(&mut head).await?;
    let (kind, length) =
        parse_header(head).ok_or_else(|| io::Error::other("a frame that no side may send"))?;
    let mut payload = vec![0; length];
    reader.read_exact(&mut payload).await?;
    Ok((kind, payload))
}

async fn session(
    host: &Arc<LocalHost>,
    release: &Release,
    reader: &mut (impl AsyncRead + Unpin),
    frames: &mpsc::Sender<Frame>,
) -> Result<i32, Fault> {
    let request = match read_frame(reader).await {
        Ok((Kind::Request, payload)) => serde_json::from_slice::<ExecRequest>(&payload)
            .map_err(|e| Fault::usage(format!("the request for a command cannot be read: {e}")))?,
        Ok(_) => return Err(Fault::usage("the first frame must be the request")),
        Err(error) => return Err(Fault::usage(format!("no request came: {error}"))),
    };
    let Some((program, arguments)) = request.command.split_first() else {
        return Err(Fault::usage("no command was given").help("landfall exec SERVICE -- COMMAND"));
    };
    match release.spec.runtime {
        Runtime::Process => {}
        Runtime::Docker => return docker::exec::run(host, release, &request, reader, frames).await,
        Runtime::Compose => return compose::exec::run(host, release, &request, reader, frames).await,
    }
    let mut command = prepare(host, release, program, request.terminal.is_some())?;
    command.args(arguments);
    run_program(command, &request, reader, frames).await
}

/// Runs a program on this host for a request, its streams as frames. Gives its exit code.
pub(crate) async fn run_program(
    mut command: Command,
    request: &ExecRequest,
    reader: &mut (impl AsyncRead + Unpin),
    frames: &mpsc::Sender<Frame>,
) -> Result<i32, Fault> {
    let not_started =
        |e: io::Error| Fault::application(format!("`{}` cannot be started: {e}", request.command.join(" ")));
    let terminal = match request.terminal {
        Some((rows, columns)) => Some(Terminal::attach(&mut command, rows, columns).map_err(not_started)?),
        None => {
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
            None
        }
    };
    let child = command.spawn().map_err(not_started)?;
    // The parent's copies of the terminal go with the command, so that its end is seen.
    drop(command);
    run(Running::new(child), terminal, reader, frames)
        .await
        .map_err(|e| Fault::machine(format!("`{}` was cut off: {e}", request.command.join(" "))))
}

/// A call of the program, in the release's folder and with its environment.
fn prepare(host: &LocalHost, release: &Release, program: &str, terminal: bool) -> Result<Command, Fault> {
    let additions = host.prepared(release)?.map(|p| p.additions).unwrap_or_default();
    let base = environment::inherited(host.variables());
    let mut env =
        environment::of_release(release, base, &additions, &|name: &str| host.volume_path(release, name))?;
    env.extend(host.secret_values(release)?);
    let rows = host.state().instances_of(release)?;
    if let Some(address) = rows.iter().find_map(|row| row.address.as_ref()) {
        environment::with_address(&mut env, address);
    }
    if terminal {
        env.entry("TERM".to_owned()).or_insert_with(|| "xterm-256color".to_owned());
    }
    let mut command = Command::new(super::commands::find(program, env.get("PATH").map(String::as_str)));
    command.env_clear().envs(env).current_dir(host.dir().release(release));
    Ok(command)
}

fn exit_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// A command in a process group of its own, all of which is killed unless it ended by itself.
struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Running {
    fn new(child: Child) -> Self {
        let group = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        Self { child, group }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // One that is gone by now is what was wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Runs the command to its end, or to that of the connection, whatever the command does with its input.
async fn run(
    mut running: Running,
    terminal: Option<Terminal>,
    reader: &mut (impl AsyncRead + Unpin),
    frames: &mpsc::Sender<Frame>,
) -> io::Result<i32> {
    let mut outputs = JoinSet::new();
    let (typed, input) = mpsc::channel(INPUT_QUEUE);
    let typing = match &terminal {
        Some(terminal) => {
            outputs.spawn(show(terminal.clone(), frames.clone()));
            tokio::spawn(feed_terminal(terminal.clone(), input))
        }
        None => {
            let child = &mut running.child;
            outputs.extend(child.stdout.take().map(|s| forward(s, Kind::Stdout, frames.clone())));
            outputs.extend(child.stderr.take().map(|s| forward(s, Kind::Stderr, frames.clone())));
            tokio::spawn(feed(child.stdin.take(), input))
        }
    };
    let typing = AbortOnDrop(typing.abort_handle());
    let mut listening = pin!(listen(reader, typed, terminal.as_ref()));
    let status = tokio::select! {
        status = running.child.wait() => status?,
        gone = &mut listening => return Err(gone),
    };
    drop(typing);
    // What it left behind may still print.
    tokio::select! {
        () = async { while outputs.join_next().await.is_some() {} } => {}
        gone = &mut listening => return Err(gone),
    }
    running.group = None;
    Ok(exit_code(status))
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Takes in what the client sends, until it is gone: ends with the reason for it, and with nothing else.
async fn listen(
    reader: &mut (impl AsyncRead + Unpin),
    typed: mpsc::Sender<Vec<u8>>,
    terminal: Option<&Terminal>,
) -> io::Error {
    let mut typed = Some(typed);
    loop {
        let (kind, payload) = match read_frame(reader).await {
            Ok(frame) => frame,
            Err(error) => return error,
        };
        match (kind, terminal) {
            (Kind::Stdin, None) if payload.is_empty() => typed = None,
            // A command that closed its input ignores the rest.
            (Kind::Stdin, _) => {
                if let Some(input) = &typed
                    && input.send(payload).await.is_err()
                {
                    typed = None;
                }
            }
            (Kind::Resize, Some(terminal)) => {
                if let [a, b, c, d] = payload[..] {
                    // A terminal whose command has just ended has no size any more.
                    let _ = terminal.resize(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                }
            }
            _ => {}
        }
    }
}

/// Writes what was typed into a pipe; closes it when no more will come.
async fn feed(stdin: Option<ChildStdin>, mut input: mpsc::Receiver<Vec<u8>>) {
    let Some(mut stdin) = stdin else { return };
    while let Some(payload) = input.recv().await {
        if stdin.write_all(&payload).await.is_err() {
            return;
        }
    }
}

/// The same for a terminal, where an end of input is typed.
async fn feed_terminal(terminal: Terminal, mut input: mpsc::Receiver<Vec<u8>>) {
    while let Some(payload) = input.recv().await {
        let bytes = if payload.is_empty() { &[END_OF_INPUT] } else { payload.as_slice() };
        if terminal.write_all(bytes).await.is_err() {
            return;
        }
    }
}

/// Sends what comes out of a stream as frames of one kind, until it ends.
async fn forward(mut stream: impl AsyncRead + Unpin, kind: Kind, frames: mpsc::Sender<Frame>) {
    let mut piece = vec![0; PIECE.min(MAX_PAYLOAD as usize)];
    while let Ok(length @ 1..) = stream.read(&mut piece).await {
        if frames.send((kind, piece[..length].to_vec())).await.is_err() {
            return;
        }
    }
}

/// The same for a terminal.
async fn show(terminal: Terminal, frames: mpsc::Sender<Frame>) {
    let mut piece = vec![0; PIECE.min(MAX_PAYLOAD as usize)];
    while let Ok(length @ 1..) = terminal.read(&mut piece).await {
        if frames.send((Kind::Stdout, piece[..length].to_vec())).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_fx::StateDir;
    use std::time::Duration;
    use tokio::io::DuplexStream;
    use tokio::time::timeout;

    const LIMIT: Duration = Duration::from_secs(20);

    struct World {
        _folder: tempfile::TempDir,
        host: Arc<LocalHost>,
        release: Release,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let dir = StateDir::open(folder.path()).unwrap();
            let host = LocalHost::open(dir, "landfall".into(), tokio::runtime::Handle::current()).unwrap();
            let release = crate::runtimes::release_of("1.0.0-20260101000001");
            std::fs::create_dir_all(host.dir().release(&release)).unwrap();
            Self { _folder: folder, host, release }
        }

        async fn begin(&self, line: &str, terminal: Option<(u16, u16)>) -> DuplexStream {
            let (ours, theirs) = io::duplex(64 * 1024);
            tokio::spawn(exec_session(Arc::clone(&self.host), self.release.clone(), theirs));
            let command = ["sh", "-c", line].map(str::to_owned).to_vec();
            let request =
                serde_json::to_vec(&ExecRequest { command, terminal, fresh: false, part: None }).unwrap();
            let mut ours = ours;
            send(&mut ours, Kind::Request, &request).await;
            ours
        }
    }

    impl Drop for World {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(self.host.dir().secrets_folder());
        }
    }

    async fn send(stream: &mut DuplexStream, kind: Kind, payload: &[u8]) {
        stream.write_all(&header(kind, payload.len())).await.unwrap();
        stream.write_all(payload).await.unwrap();
    }

    /// Everything up to the last frame: standard output, standard error, the last frame.
    async fn rest(stream: &mut DuplexStream) -> (String, String, Frame) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        loop {
            match timeout(LIMIT, read_frame(stream)).await.unwrap().unwrap() {
                (Kind::Stdout, payload) => out.extend(payload),
                (Kind::Stderr, payload) => err.extend(payload),
                last => return (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap(), last),
            }
        }
    }

    fn exit(code: i32) -> Frame {
        (Kind::Exit, code.to_be_bytes().to_vec())
    }

    #[tokio::test]
    async fn streams_and_exit_code_come_as_frames() {
        let world = World::new();
        let mut stream = world.begin("cat; echo err >&2; echo $LANDFALL_SERVICE; exit 3", None).await;
        send(&mut stream, Kind::Stdin, b"typed ").await;
        send(&mut stream, Kind::Stdin, b"").await;
        assert_eq!(rest(&mut stream).await, ("typed web\n".to_owned(), "err\n".to_owned(), exit(3)));
        let mut stream = world.begin("kill -TERM $$", None).await;
        assert_eq!(rest(&mut stream).await.2, exit(128 + 15));
    }

    #[tokio::test]
    async fn what_is_no_request_is_a_fault() {
        let world = World::new();
        for (kind, payload) in [(Kind::Stdin, b"x".as_slice()), (Kind::Request, b"{")] {
            let (mut ours, theirs) = io::duplex(1024);
            tokio::spawn(exec_session(Arc::clone(&world.host), world.release.clone(), theirs));
            send(&mut ours, kind, payload).await;
            assert_eq!(rest(&mut ours).await.2.0, Kind::Fault);
        }
        let (mut ours, theirs) = io::duplex(1024);
        tokio::spawn(exec_session(Arc::clone(&world.host), world.release.clone(), theirs));
        ours.write_all(&[Kind::Request as u8, 255, 255, 255, 255]).await.unwrap();
        assert_eq!(rest(&mut ours).await.2.0, Kind::Fault);
    }

    #[tokio::test]
    async fn no_runtime_is_asked_for_a_command_that_is_none() {
        let mut world = World::new();
        for runtime in [Runtime::Process, Runtime::Docker, Runtime::Compose] {
            world.release.spec.runtime = runtime;
            let (mut ours, theirs) = io::duplex(1024);
            tokio::spawn(exec_session(Arc::clone(&world.host), world.release.clone(), theirs));
            send(&mut ours, Kind::Request, br#"{"command":[]}"#).await;
            let (kind, payload) = rest(&mut ours).await.2;
            assert_eq!(kind, Kind::Fault);
            let fault: Fault = serde_json::from_slice(&payload).unwrap();
            assert_eq!(fault.message, "no command was given", "{runtime:?}");
        }
    }

    #[tokio::test]
    async fn a_command_that_does_not_read_does_not_hang_the_session() {
        let world = World::new();
        let mut stream = world.begin("exec sleep 0.5", None).await;
        // More than a pipe holds.
        for _ in 0..4 {
            send(&mut stream, Kind::Stdin, &[b'x'; 60_000]).await;
        }
        assert_eq!(rest(&mut stream).await.2, exit(0));
    }

    #[tokio::test]
    async fn all_of_a_command_ends_with_its_connection() {
        let world = World::new();
        let mut stream = world.begin("sleep 300 & echo $!; wait", None).await;
        let (_, pid) = timeout(LIMIT, read_frame(&mut stream)).await.unwrap().unwrap();
        let pid: u32 = String::from_utf8(pid).unwrap().trim().parse().unwrap();
        drop(stream);
        let gone = async {
            while !landfall_shim::evidence::processes(pid).is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LIMIT, gone).await.unwrap();
    }

    #[test]
    fn terminals_take_no_threads() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().max_blocking_threads(1).build().unwrap();
        runtime.block_on(a_terminal_has_its_size());
    }

    async fn a_terminal_has_its_size() {
        let world = World::new();
        let mut idle = Vec::new();
        for _ in 0..3 {
            idle.push(world.begin("exec sleep 300", Some((10, 20))).await);
        }
        let mut stream = world.begin("stty size; read x; stty size; read y; echo $x$y", Some((24, 80))).await;
        let (_, first) = timeout(LIMIT, read_frame(&mut stream)).await.unwrap().unwrap();
        assert!(String::from_utf8_lossy(&first).starts_with("24 80"));
        send(&mut stream, Kind::Resize, &[0, 30, 0, 90]).await;
        send(&mut stream, Kind::Stdin, b"one\ntwo\n").await;
        let (out, _, last) = rest(&mut stream).await;
        assert!(out.contains("30 90") && out.ends_with("onetwo\r\n"), "{out:?}");
        assert_eq!(last, exit(0));
        drop(idle);
    }
}
