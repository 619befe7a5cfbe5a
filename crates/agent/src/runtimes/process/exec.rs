//! One `exec`: a command beside the instances, with their environment and secrets, its streams as frames.

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use landfall_model::api::ExecRequest;
use landfall_model::api::exec::{HEADER, Kind, MAX_PAYLOAD, header, parse_header};
use landfall_model::{Fault, Release};
use tokio::io::{self, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::environment;
use super::terminal::Terminal;
use crate::host::LocalHost;

/// Frames waiting to be sent; a command that prints faster waits.
const QUEUE: usize = 16;

/// Bytes of output in one frame.
const PIECE: usize = 16 * 1024;

type Frame = (Kind, Vec<u8>);

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

async fn read_frame(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Frame> {
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
    let mut command = prepare(host, release, &request)?;
    let not_started =
        |e: io::Error| Fault::application(format!("`{}` cannot be started: {e}", request.command.join(" ")));
    let terminal = match request.terminal {
        Some((rows, columns)) => Some(Terminal::attach(&mut command, rows, columns).map_err(not_started)?),
        None => {
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            None
        }
    };
    let child = command.spawn().map_err(not_started)?;
    // The parent's copies of the terminal go with the command, so that its end is seen.
    drop(command);
    match terminal {
        Some(terminal) => with_terminal(child, terminal, reader, frames).await,
        None => with_pipes(child, reader, frames).await,
    }
    .map_err(|e| Fault::machine(format!("`{}` was cut off: {e}", request.command.join(" "))))
}

fn prepare(host: &LocalHost, release: &Release, request: &ExecRequest) -> Result<Command, Fault> {
    let Some((program, arguments)) = request.command.split_first() else {
        return Err(Fault::usage("no command was given").help("landfall exec SERVICE -- COMMAND"));
    };
    let additions = host.prepared(release)?.map(|p| p.additions).unwrap_or_default();
    let base = environment::inherited(host.variables());
    let mut env =
        environment::of_release(release, base, &additions, &|name: &str| host.volume_path(release, name))?;
    env.extend(host.secret_values(release)?);
    let rows = host.state().instances_of(release)?;
    if let Some(address) = rows.iter().find_map(|row| row.address.as_ref()) {
        environment::with_address(&mut env, address);
    }
    if request.terminal.is_some() {
        env.entry("TERM".to_owned()).or_insert_with(|| "xterm-256color".to_owned());
    }
    let mut command = Command::new(super::commands::find(program, env.get("PATH").map(String::as_str)));
    command.args(arguments).env_clear().envs(env).current_dir(host.dir().release(release)).kill_on_drop(true);
    Ok(command)
}

fn exit_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// Sends what comes out of a stream as frames of one kind, until it ends.
async fn forward(mut stream: impl AsyncRead + Unpin, kind: Kind, frames: mpsc::Sender<Frame>) {
    let mut piece = vec![0; PIECE.min(MAX_PAYLOAD as usize)];
    // A terminal whose last process has ended gives an error instead of an end.
    while let Ok(length @ 1..) = stream.read(&mut piece).await {
        if frames.send((kind, piece[..length].to_vec())).await.is_err() {
            return;
        }
    }
}

async fn with_pipes(
    mut child: Child,
    reader: &mut (impl AsyncRead + Unpin),
    frames: &mpsc::Sender<Frame>,
) -> io::Result<i32> {
    let out = child.stdout.take().map(|s| tokio::spawn(forward(s, Kind::Stdout, frames.clone())));
    let err = child.stderr.take().map(|s| tokio::spawn(forward(s, Kind::Stderr, frames.clone())));
    let mut stdin = child.stdin.take();
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            frame = read_frame(reader) => match frame? {
                (Kind::Stdin, payload) if payload.is_empty() => stdin = None,
                (Kind::Stdin, payload) => {
                    // A command that closed its input ignores the rest.
                    if let Some(pipe) = &mut stdin && pipe.write_all(&payload).await.is_err() {
                        stdin = None;
                    }
                }
                _ => {}
            }
        }
    };
    for task in [out, err].into_iter().flatten() {
        // A panic inside would have nothing more to forward.
        let _ = task.await;
    }
    Ok(exit_code(status))
}

async fn with_terminal(
    mut child: Child,
    terminal: Terminal,
    reader: &mut (impl AsyncRead + Unpin),
    frames: &mpsc::Sender<Frame>,
) -> io::Result<i32> {
    let (output, mut input) = terminal.streams()?;
    let out = tokio::spawn(forward(output, Kind::Stdout, frames.clone()));
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            frame = read_frame(reader) => match frame? {
                (Kind::Stdin, payload) if payload.is_empty() => input.write_all(&[4]).await?,
                (Kind::Stdin, payload) => input.write_all(&payload).await?,
                (Kind::Resize, payload) => {
                    if let [a, b, c, d] = payload[..] {
                        terminal.resize(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))?;
                    }
                }
                _ => {}
            }
        }
    };
    // A panic inside would have nothing more to forward.
    let _ = out.await;
    Ok(exit_code(status))
}
