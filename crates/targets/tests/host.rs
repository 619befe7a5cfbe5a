//! The client over real sockets, against a server that answers as the API says, and one that breaks off.
#![expect(clippy::unwrap_used, reason = "a server that cannot answer fails its test where it stands")]

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use landfall_artifact::bundle;
use landfall_artifact::frames::FrameReader;
use landfall_model::api::exec::{HEADER, Kind, header, parse_header};
use landfall_model::api::{ExecRequest, LogLine};
use landfall_model::{Fault, FaultKind};
use landfall_targets::host::{Agent, CallError, FromHost, LocalSocket, LogQuery};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

type Body = BoxBody<Bytes, io::Error>;

fn whole(status: u16, text: impl Into<Bytes>) -> Response<Body> {
    let mut response =
        Response::new(Full::new(text.into()).map_err(|never: Infallible| match never {}).boxed());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// A server whose answers are `answer`'s, and the number of connections that were made to it.
struct Server {
    folder: tempfile::TempDir,
    connections: Arc<AtomicUsize>,
}

impl Server {
    fn socket(&self) -> PathBuf {
        self.folder.path().join("agent.sock")
    }

    fn agent(&self) -> Agent {
        Agent::over(LocalSocket(self.socket()))
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn start<A>(answer: A) -> Self
    where
        A: AsyncFn(Request<Incoming>) -> Response<Body> + Clone + 'static,
    {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("agent.sock")).unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let answer = answer.clone();
                tokio::task::spawn_local(async move {
                    let service = service_fn(move |request| {
                        let answer = answer.clone();
                        async move { Ok::<_, Infallible>(answer(request).await) }
                    });
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
                });
            }
        });
        Self { folder, connections }
    }
}

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, work);
}

fn info(running: u32) -> String {
    serde_json::json!({
        "version": "0.1.0", "build": "1-2", "api": 1, "schema": 1, "pid": 1, "started": "2026-11-20T13:15:02.120Z",
        "host": "h", "state": "/s", "proxy_pid": null, "proxy_build": null, "memory": null, "proxy_memory": null,
        "running": running, "notes": [],
    })
    .to_string()
}

#[test]
fn a_connection_is_kept() {
    run(async {
        let server = Server::start(async |request: Request<Incoming>| {
            assert_eq!(request.headers()["host"], "landfall");
            whole(200, info(0))
        });
        let agent = server.agent();
        for _ in 0..20 {
            assert_eq!(agent.info().await.unwrap().host, "h");
        }
        assert_eq!(server.connections(), 1);
        // Both at once: one finds the connection busy.
        let (one, two) = tokio::join!(agent.info(), agent.info());
        assert!(one.is_ok() && two.is_ok());
        assert!(server.connections() <= 2);
    });
}

#[test]
fn a_kept_connection_that_was_closed_is_replaced() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::task::spawn_local(async move {
            // One answer for each connection, which ends without having said that it would.
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 1024]).await;
                let info = info(3);
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{info}", info.len());
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        let agent = Agent::over(LocalSocket(socket));
        for _ in 0..50 {
            assert_eq!(agent.info().await.unwrap().running, 3);
        }
    });
}

#[test]
fn the_agents_faults_are_the_callers() {
    run(async {
        let server = Server::start(async |request: Request<Incoming>| match request.uri().path() {
            "/v1/info" => whole(409, serde_json::to_vec(&Fault::refused("no").help("wait")).unwrap()),
            "/v1/apps" => whole(502, "<html>"),
            _ => whole(200, "no json"),
        });
        let agent = server.agent();
        match agent.info().await {
            Err(CallError::Fault(fault)) => assert_eq!(fault, Fault::refused("no").help("wait")),
            other => panic!("{other:?}"),
        }
        let Err(CallError::Fault(fault)) = agent.apps().await else { panic!("no fault") };
        assert_eq!(fault.kind, FaultKind::Internal);
        assert!(fault.message.contains("502") && fault.message.contains("<html>"), "{fault}");
        assert!(matches!(agent.fingerprint_key().await, Err(CallError::Fault(_))));
        // A failure leaves the connection as good as it was.
        assert_eq!(server.connections(), 1);
    });
}

#[test]
fn nobody_there_is_told_from_a_connection_that_breaks() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent.sock");
        let absent = Agent::over(LocalSocket(socket.clone())).info().await.unwrap_err();
        assert!(absent.nobody_there(), "{absent}");
        // A socket that its owner left behind.
        drop(UnixListener::bind(&socket).unwrap());
        let left = Agent::over(LocalSocket(socket.clone())).info().await.unwrap_err();
        assert!(left.nobody_there(), "{left}");
        std::fs::remove_file(&socket).unwrap();
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::task::spawn_local(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 64];
                let _ = stream.read(&mut request).await;
            }
        });
        let broken = Agent::over(LocalSocket(socket)).info().await.unwrap_err();
        assert!(matches!(broken, CallError::Lost { .. }) && !broken.nobody_there(), "{broken:?}");
    });
}

fn line(text: &str) -> String {
    serde_json::json!({
        "at": "2026-11-20T13:15:02.120Z", "service": "web", "instance": "3f2a1c9b0d",
        "version": "1.0.0-20261120131502", "stream": "out", "line": text,
    })
    .to_string()
        + "\n"
}

#[test]
fn lines_come_whole_however_they_are_cut() {
    run(async {
        let server = Server::start(async |request: Request<Incoming>| {
            assert_eq!(request.uri().query(), Some("lines=7&follow=true&services=web,api"));
            let text = format!("{}\n{}{}", line("one"), line("two \u{20ac}"), line(&"x".repeat(100_000)));
            let (sender, receiver) = tokio::sync::mpsc::channel(1);
            tokio::task::spawn_local(async move {
                for piece in text.as_bytes().chunks(7) {
                    sender.send(Ok(Frame::data(Bytes::copy_from_slice(piece)))).await.unwrap();
                }
                // The last line is cut off.
                sender.send(Ok(Frame::data(Bytes::from_static(b"{\"at\":")))).await.unwrap();
            });
            let pieces = tokio_stream::wrappers::ReceiverStream::new(receiver);
            Response::new(StreamBody::new(pieces).boxed())
        });
        let agent = server.agent();
        let app = agent.app(&"shop".parse().unwrap(), &"dev".parse().unwrap());
        let services = ["web", "api"].map(|name| name.parse().unwrap()).to_vec();
        let mut lines = app.logs(&LogQuery { services, lines: 7, follow: true }).await.unwrap();
        let mut seen: Vec<LogLine> = Vec::new();
        let end = loop {
            match lines.next().await {
                Ok(Some(line)) => seen.push(line),
                other => break other,
            }
        };
        assert!(matches!(end, Err(CallError::Lost { .. })), "{end:?}");
        let lengths: Vec<usize> = seen.iter().map(|line| line.line.chars().count()).collect();
        assert_eq!(lengths, [3, 5, 100_000]);
    });
}

fn source(folder: &Path) -> PathBuf {
    let source = folder.join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("large"), vec![7; 3_000_000]).unwrap();
    std::fs::write(source.join("small"), "small").unwrap();
    source
}

#[test]
fn blobs_are_streamed_and_a_changed_file_breaks_off() {
    run(async {
        let server = Server::start(async |request: Request<Incoming>| {
            assert_eq!(request.uri().path(), "/v1/blobs");
            let mut body = request.into_body();
            let mut length = 0;
            while let Some(frame) = body.frame().await {
                match frame {
                    Ok(frame) => length += frame.data_ref().map_or(0, Bytes::len),
                    Err(_) => return whole(400, "broken off"),
                }
            }
            assert!(length > 3_000_000);
            whole(204, "")
        });
        let agent = server.agent();
        let folder = tempfile::tempdir().unwrap();
        let source = source(folder.path());
        let made = bundle(&source, &[]).unwrap();
        let frames = FrameReader::new(&source, &made, &made.digests()).unwrap();
        let length = frames.length();
        assert_eq!(agent.upload(frames).await.unwrap(), length);

        let frames = FrameReader::new(&source, &made, &made.digests()).unwrap();
        std::fs::write(source.join("large"), vec![8; 3_000_000]).unwrap();
        let Err(CallError::Fault(fault)) = agent.upload(frames).await else { panic!("it went through") };
        assert!(fault.message.contains("large"), "{fault}");
    });
}

async fn frame(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> (Kind, Vec<u8>) {
    let mut head = [0; HEADER];
    stream.read_exact(&mut head).await.unwrap();
    let (kind, length) = parse_header(head).unwrap();
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.unwrap();
    (kind, payload)
}

#[test]
fn exec_carries_both_ways() {
    run(async {
        let server = Server::start(async |mut request: Request<Incoming>| {
            assert_eq!(request.headers()["upgrade"], "landfall-exec");
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::task::spawn_local(async move {
                let mut stream = TokioIo::new(upgrade.await.unwrap());
                let (kind, payload) = frame(&mut stream).await;
                let asked: ExecRequest = serde_json::from_slice(&payload).unwrap();
                assert_eq!((kind, asked.command), (Kind::Request, vec!["cat".to_owned()]));
                assert_eq!(frame(&mut stream).await, (Kind::Resize, vec![0, 24, 1, 0]));
                let mut input = Vec::new();
                loop {
                    match frame(&mut stream).await {
                        (Kind::Stdin, piece) if piece.is_empty() => break,
                        (Kind::Stdin, piece) => input.extend(piece),
                        other => panic!("{other:?}"),
                    }
                }
                for (kind, payload) in [
                    (Kind::Stdout, input.len().to_string().into_bytes()),
                    (Kind::Stderr, b"err".to_vec()),
                    (Kind::Exit, 137_i32.to_be_bytes().to_vec()),
                ] {
                    stream.write_all(&header(kind, payload.len())).await.unwrap();
                    stream.write_all(&payload).await.unwrap();
                }
                stream.flush().await.unwrap();
            });
            let mut response = whole(101, "");
            response.headers_mut().insert("connection", "upgrade".parse().unwrap());
            response.headers_mut().insert("upgrade", "landfall-exec".parse().unwrap());
            response
        });
        let agent = server.agent();
        let app = agent.app(&"shop".parse().unwrap(), &"dev".parse().unwrap());
        let asked = ExecRequest {
            command: vec!["cat".to_owned()],
            terminal: Some((20, 80)),
            fresh: false,
            part: None,
        };
        let (mut reader, mut writer) = app.exec(&"web".parse().unwrap(), &asked).await.unwrap();
        writer.resize(24, 256).await.unwrap();
        // Longer than a frame may be.
        writer.stdin(&vec![1; 200_000]).await.unwrap();
        writer.stdin(&[]).await.unwrap();
        let mut said = Vec::new();
        loop {
            match reader.next().await.unwrap() {
                FromHost::Stdout(bytes) | FromHost::Stderr(bytes) => said.push(bytes),
                FromHost::Exit(code) => break assert_eq!(code, 137),
                FromHost::Fault(fault) => panic!("{fault}"),
            }
        }
        assert_eq!(said, ["200000", "err"]);
        let too_long =
            ExecRequest { command: vec!["x".repeat(100_000)], terminal: None, fresh: false, part: None };
        assert!(app.exec(&"web".parse().unwrap(), &too_long).await.is_err());
    });
}

#[test]
fn a_socket_of_a_stranger_is_no_agent() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::task::spawn_local(async move {
            let (mut stream, _): (UnixStream, _) = listener.accept().await.unwrap();
            stream.write_all(b"SSH-2.0-x\r\n").await.unwrap();
            let _ = stream.read(&mut [0; 64]).await;
        });
        let error = Agent::over(LocalSocket(socket)).info().await.unwrap_err();
        assert!(matches!(error, CallError::Lost { .. }), "{error:?}");
    });
}
