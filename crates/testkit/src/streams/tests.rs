//! Streams against a small server that can cut them, fall silent and skip.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::sandbox::free_address;
use crate::wait::wait_until;
use crate::websocket::{Frame, KEY, accept};

const SOON: Duration = Duration::from_secs(60);

/// What the server does from now on.
#[derive(Default)]
struct Server {
    address: String,
    silent: Arc<AtomicBool>,
    skips: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { address: listener.local_addr().unwrap().to_string(), ..Self::default() };
        let Self { silent, skips, connections, .. } = &server;
        let (silent, skips, connections) = (Arc::clone(silent), Arc::clone(skips), Arc::clone(connections));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.lock().unwrap().push(stream.try_clone().unwrap());
                let (silent, skips) = (Arc::clone(&silent), Arc::clone(&skips));
                std::thread::spawn(move || serve(stream, &silent, &skips));
            }
        });
        server
    }

    /// Closes every connection.
    fn cut(&self) {
        for stream in self.connections.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

fn serve(mut stream: TcpStream, silent: &AtomicBool, skips: &AtomicBool) -> Option<()> {
    let mut received = Vec::new();
    let mut piece = [0; 4096];
    while !received.ends_with(b"\r\n\r\n") {
        let got = stream.read(&mut piece).ok().filter(|got| *got > 0)?;
        received.extend_from_slice(&piece[..got]);
    }
    if received.starts_with(b"GET /socket ") {
        let head = "HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ";
        write!(stream, "{head}{}\r\n\r\n", accept(KEY)).ok()?;
        stream.write_all(&Frame::text("one").bytes(None)).ok()?;
        received.clear();
        loop {
            let got = stream.read(&mut piece).ok().filter(|got| *got > 0)?;
            received.extend_from_slice(&piece[..got]);
            while let Some(frame) = Frame::take(&mut received).ok()? {
                if !silent.load(Ordering::Relaxed) {
                    stream.write_all(&frame.bytes(None)).ok()?;
                }
            }
        }
    }
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: one\n\n").ok()?;
    for number in (0_u64..).filter(|number| number % 10 != 9 || !skips.load(Ordering::Relaxed)) {
        if !silent.load(Ordering::Relaxed) {
            write!(stream, "data: {number}\n\n").ok()?;
        }
        SystemClock::new().sleep(Duration::from_millis(5));
    }
    Some(())
}

fn plan(server: &Server) -> StreamPlan {
    let plan = StreamPlan::new(&server.address, "x.localhost", 3, 2);
    StreamPlan { beat: Duration::from_millis(5), ..plan }
}

#[test]
fn streams_that_nobody_cuts_are_whole() {
    let server = Server::start();
    let streams = Streams::start(plan(&server));
    wait_until("all are open", SOON, || streams.open() == 5);
    SystemClock::new().sleep(Duration::from_millis(200));
    let report = streams.stop();
    assert_eq!((report.opened, report.cut, report.refused), (5, 0, 0), "{report}");
    assert!(report.messages > 20, "{report}");
}

#[test]
fn a_cut_is_seen_with_its_greeting_and_the_stream_comes_back() {
    let server = Server::start();
    let streams = Streams::start(plan(&server));
    wait_until("all are open", SOON, || streams.open() == 5);
    let before = SystemClock::new().now();
    server.cut();
    wait_until("all are cut", SOON, || streams.open() < 5);
    wait_until("all are open again", SOON, || streams.open() == 5);
    let report = streams.stop();
    assert_eq!((report.opened, report.cut, report.refused), (10, 5, 0), "{report}");
    assert_eq!(report.cuts.iter().filter(|cut| cut.kind == StreamKind::Feed).count(), 2, "{report}");
    assert!(report.cuts.iter().all(|cut| cut.greeting == "one" && cut.at >= before), "{report}");
}

#[test]
fn silence_and_lost_events_are_cuts() {
    let server = Server::start();
    let mut quick = plan(&server);
    quick.silence = Duration::from_millis(200);
    let streams = Streams::start(quick);
    wait_until("all are open", SOON, || streams.open() == 5);
    server.silent.store(true, Ordering::Relaxed);
    SystemClock::new().sleep(Duration::from_secs(1));
    let report = streams.stop();
    assert!(report.cuts.iter().any(|cut| cut.reason.starts_with("nothing for")), "{report}");

    server.silent.store(false, Ordering::Relaxed);
    server.skips.store(true, Ordering::Relaxed);
    let streams = Streams::start(plan(&server));
    SystemClock::new().sleep(Duration::from_millis(500));
    let report = streams.stop();
    assert!(report.cuts.iter().any(|cut| cut.reason == "event 10 came after event 8"), "{report}");
}

#[test]
fn who_is_not_there_refuses() {
    let streams = Streams::start(StreamPlan::new(&free_address(), "x.localhost", 1, 1));
    SystemClock::new().sleep(Duration::from_millis(200));
    let report = streams.stop();
    assert!(report.opened == 0 && report.refused > 2, "{report}");
    assert!(report.refusals.keys().all(|reason| reason.contains("connect:")), "{report}");
}
