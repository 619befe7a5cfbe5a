//! A proxy takes the place of another one: nothing is lost, whoever dies on the way.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::{Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{Proxy, SOON, Server, ask, connect, full, get, head, until};

const ID: &str = "app/dev/web";

/// Answers requests after a moment; a path `/echo` becomes an echo, `/stream` a stream of lines without an end.
async fn server(name: &'static str) -> Server {
    Server::raw(move |mut socket, _| async move {
        while let Some(head) = head(&mut socket).await {
            let text = head.to_lowercase();
            if text.contains("content-length: 4") {
                socket.read_exact(&mut [0; 4]).await.unwrap();
            }
            if text.starts_with("get /echo") {
                let answer = "HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
                socket.write_all(answer.as_bytes()).await.unwrap();
                let (mut from, mut to) = socket.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
                return;
            }
            if text.starts_with("get /stream") {
                let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
                socket.write_all(answer.as_bytes()).await.unwrap();
                while socket.write_all(b"data: x\n\n").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len());
            if socket.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await
}

/// Asks until told to end; every request is answered, by nobody older than `switched`.
async fn load(at: SocketAddr, keep: bool, end: Arc<AtomicBool>) -> u64 {
    let mut sender = connect(at).await;
    let mut count = 0;
    while !end.load(Ordering::SeqCst) {
        let body = if count % 3 == 2 { "body" } else { "" };
        let method = if body.is_empty() { "GET" } else { "POST" };
        let request =
            Request::builder().method(method).uri("/").header("host", "x").body(full(body)).unwrap();
        let answer = ask(&mut sender, request).await.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text);
        if !keep || answer.header("connection") == "close" {
            sender = connect(at).await;
        }
        count += 1;
    }
    count
}

/// A websocket that must go on echoing.
async fn echo(at: SocketAddr, end: Arc<AtomicBool>) -> u64 {
    let mut socket = TcpStream::connect(at).await.unwrap();
    let request = "GET /echo HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    assert!(head(&mut socket).await.unwrap().starts_with("HTTP/1.1 101"));
    let mut count = 0;
    while !end.load(Ordering::SeqCst) {
        socket.write_all(b"ping").await.unwrap();
        let mut pong = [0; 4];
        socket.read_exact(&mut pong).await.expect("the websocket was cut");
        count += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    count
}

/// A stream of events that must go on.
async fn stream(at: SocketAddr, end: Arc<AtomicBool>) -> u64 {
    let mut socket = TcpStream::connect(at).await.unwrap();
    socket.write_all(b"GET /stream HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut count = 0;
    let mut buffer = [0; 1024];
    while !end.load(Ordering::SeqCst) {
        count += socket.read(&mut buffer).await.unwrap() as u64;
        assert!(count > 0, "the stream was cut");
    }
    count
}

#[tokio::test]
async fn the_proxy_is_replaced_under_load_and_nothing_is_lost() {
    let mut proxy = Proxy::start().await;
    let server = server("ok").await;
    proxy.put("1", &[server.address]).await;
    proxy.client.start_meter(ID).await.unwrap();
    let end = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for number in 0..8 {
        clients.spawn(load(proxy.listen, number % 2 == 0, Arc::clone(&end)));
    }
    let mut open = JoinSet::new();
    let mut before = Vec::new();
    // As many workers, fewer, more.
    for workers in [2, 1, 3, 2] {
        open.spawn(echo(proxy.listen, Arc::clone(&end)));
        open.spawn(stream(proxy.listen, Arc::clone(&end)));
        tokio::time::sleep(Duration::from_millis(300)).await;
        before.push(proxy.take_over(workers).await);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    // Each of them has a websocket and a stream in hands.
    assert!(before.iter_mut().all(crate::support::Before::runs));
    let status = proxy.client.status().await.unwrap();
    assert!(status.routes[0].pools[0].inflight >= 8, "{status:?}");
    end.store(true, Ordering::SeqCst);
    let mut asked = 0;
    while let Some(count) = clients.join_next().await {
        asked += count.unwrap();
    }
    while let Some(count) = open.join_next().await {
        assert!(count.unwrap() > 1);
    }
    until("the ones of before end", async || !before.iter_mut().any(crate::support::Before::runs)).await;
    assert!(before.iter_mut().all(|one| one.0.wait().unwrap().success()));
    // The meter never stopped: websockets and streams are requests too.
    let meter = proxy.client.meter(ID).await.unwrap();
    assert_eq!((meter.served, meter.failed), (asked + 8, 0), "{meter:?}");
    assert!(asked > 100);
    assert_eq!(get(proxy.listen, "/", &[]).await.text, "ok");
}

#[tokio::test]
async fn one_that_is_told_to_end_makes_room_at_once_and_finishes_what_it_has_in_hands() {
    let mut proxy = Proxy::start().await;
    let server = server("ok").await;
    proxy.put("1", &[server.address]).await;
    let mut socket = TcpStream::connect(proxy.listen).await.unwrap();
    let request = "GET /echo HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    assert!(head(&mut socket).await.unwrap().starts_with("HTTP/1.1 101"));
    let mut before = proxy.end_and_start().await;
    assert!(before.runs(), "the next one had to wait for its end");
    assert_eq!(get(proxy.listen, "/", &[]).await.text, "ok");
    socket.write_all(b"ping").await.unwrap();
    socket.read_exact(&mut [0; 4]).await.expect("the websocket was cut");
    drop(socket);
    until("it ends", async || !before.runs()).await;
    assert!(before.0.wait().unwrap().success());
}

#[tokio::test]
async fn what_the_one_of_before_has_in_hands_is_waited_for() {
    let mut proxy = Proxy::start().await;
    let (go, gone) = tokio::sync::watch::channel(false);
    let arrived = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&arrived);
    let old = Server::http(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        let mut gone = gone.clone();
        async move {
            gone.wait_for(|gone| *gone).await.unwrap();
            Response::new(full("old"))
        }
    })
    .await;
    let new = Server::saying("new").await;
    proxy.put("old", &[old.address]).await;
    let listen = proxy.listen;
    let slow = tokio::spawn(async move { get(listen, "/", &[]).await });
    until("it is under way", async || arrived.load(Ordering::SeqCst) == 1).await;
    // An idle connection that is kept: its next request is of after the switch.
    let mut kept = connect(listen).await;
    let token = proxy.client.status().await.unwrap().token;
    let mut before = proxy.take_over(2).await;
    assert_eq!(proxy.client.status().await.unwrap().token, token, "probes go on");
    assert_eq!(proxy.client.drained(ID, "old", Duration::from_millis(50)).await.unwrap(), 1);
    assert_eq!(proxy.client.hold(ID, Duration::from_millis(50)).await.unwrap().inflight, 1);
    let request = || Request::get("/").header("host", "x").body(full("")).unwrap();
    let held = tokio::spawn(async move { ask(&mut kept, request()).await.unwrap() });
    until("the one of before holds too", async || proxy.client.status().await.unwrap().routes[0].holding)
        .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!held.is_finished());
    proxy.put("new", &[new.address]).await;
    let held = held.await.unwrap();
    assert_eq!((held.text.as_str(), held.header("connection")), ("new", "close"));
    assert_eq!(proxy.client.drained(ID, "old", Duration::from_millis(50)).await.unwrap(), 1);
    let client = proxy.client.clone();
    let drained = tokio::spawn(async move { client.drained(ID, "old", SOON).await.unwrap() });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!drained.is_finished() && before.runs());
    let status = proxy.client.status().await.unwrap();
    let old = status.routes[0].pools.iter().find(|pool| pool.label == "old").unwrap();
    assert_eq!((old.inflight, old.weight), (1, 0));
    assert!(old.drain_ms.is_some_and(|left| left > 1000), "{old:?}");
    go.send(true).unwrap();
    assert_eq!(slow.await.unwrap().text, "old");
    assert_eq!(drained.await.unwrap(), 0);
    until("it ends", async || !before.runs()).await;
    let status = proxy.client.status().await.unwrap();
    let old = status.routes[0].pools.iter().find(|pool| pool.label == "old").unwrap();
    assert_eq!((old.inflight, old.served), (0, 1));
    assert_eq!(proxy.client.metrics().await.unwrap().matches("pool=\"old\",code=\"2xx\"} 1\n").count(), 1);
}

#[tokio::test]
async fn what_the_ones_of_before_have_in_hands_is_known_after_a_kill() {
    let mut proxy = Proxy::start().await;
    let (go, gone) = tokio::sync::watch::channel(0);
    let arrived = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&arrived);
    let old = Server::http(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let mut gone = gone.clone();
        async move {
            gone.wait_for(|gone| *gone > number).await.unwrap();
            Response::new(full("old"))
        }
    })
    .await;
    let new = Server::saying("new").await;
    proxy.put("old", &[old.address]).await;
    let listen = proxy.listen;
    // A request in each of two.
    let (mut slow, mut before) = (Vec::new(), Vec::new());
    for number in 1..=2 {
        slow.push(tokio::spawn(async move { get(listen, "/", &[]).await }));
        until("it is under way", async || arrived.load(Ordering::SeqCst) == number).await;
        before.push(proxy.take_over(2).await);
    }
    proxy.restart().await;
    let client = proxy.client.clone();
    let under_way = async || client.drained(ID, "old", Duration::from_millis(50)).await.unwrap();
    assert_eq!(under_way().await, 2);
    proxy.put("new", &[new.address]).await;
    assert_eq!((under_way().await, get(listen, "/", &[]).await.text.as_str()), (2, "new"));
    go.send(1).unwrap();
    until("the first has ended", async || !before[0].runs()).await;
    until("one request is left", async || under_way().await == 1).await;
    // Whoever takes over from here learns of it too.
    let _third = proxy.take_over(2).await;
    assert_eq!(under_way().await, 1);
    go.send(2).unwrap();
    assert_eq!(proxy.client.drained(ID, "old", SOON).await.unwrap(), 0);
    for slow in slow {
        assert_eq!(slow.await.unwrap().text, "old");
    }
    until("the second has ended", async || !before[1].runs()).await;
}

#[tokio::test]
async fn holds_and_what_a_person_said_are_handed_over() {
    let mut proxy = Proxy::start().await;
    let (first, second) = (Server::saying("first").await, Server::saying("second").await);
    proxy.put("1", &[first.address]).await;
    proxy.client.hold(ID, SOON).await.unwrap();
    let listen = proxy.listen;
    let ask = move || tokio::spawn(async move { get(listen, "/", &[]).await.text });
    let waiting = ask();
    until("it is held", async || proxy.held().await == 1).await;
    let _before = proxy.take_over(2).await;
    let status = proxy.client.status().await.unwrap();
    assert!(status.routes[0].holding);
    let later = ask();
    until("it is held", async || proxy.held().await == 1).await;
    proxy.put("2", &[second.address]).await;
    // The one who waits at the proxy of before goes to the new pool too.
    assert_eq!((waiting.await.unwrap(), later.await.unwrap()), ("second".to_owned(), "second".to_owned()));
    proxy.client.pause(ID).await.unwrap();
    let _before = proxy.take_over(1).await;
    assert!(proxy.client.status().await.unwrap().routes[0].paused);
    proxy.client.unpause(ID).await.unwrap();
    proxy.client.set_maintenance(ID, true).await.unwrap();
    let _before = proxy.take_over(2).await;
    assert!(ask().await.unwrap().starts_with("503"));
    // What was handed over is in the file as well.
    proxy.restart().await;
    assert!(ask().await.unwrap().starts_with("503"));
    proxy.client.set_maintenance(ID, false).await.unwrap();
    assert_eq!(ask().await.unwrap(), "second");
}

/// Asks the proxy to hand over, and goes away at a stage: with the answer's head, with a word said, with all of it heard.
fn go_away(socket: &std::path::Path, stage: usize) {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let request = "POST /v1/handover HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
                   upgrade: landfall-handover\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    if stage == 0 {
        return;
    }
    let mut byte = [0];
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    if stage == 1 {
        return;
    }
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut offer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut offer).unwrap();
    if stage == 2 {
        return;
    }
    // The descriptors come with this byte; who does not ask for them does not get them.
    stream.read_exact(&mut byte).unwrap();
    stream.write_all(if stage == 3 { b"?" } else { b"R" }).unwrap();
    if stage >= 5 {
        stream.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"G");
    }
}

#[tokio::test]
async fn one_that_dies_while_it_takes_over_changes_nothing() {
    let mut proxy = Proxy::start().await;
    let server = server("ok").await;
    proxy.put("1", &[server.address]).await;
    let end = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for number in 0..4 {
        clients.spawn(load(proxy.listen, number % 2 == 0, Arc::clone(&end)));
    }
    let pid = proxy.child.id();
    for round in 0..12 {
        let socket = proxy.client.socket().to_owned();
        tokio::task::spawn_blocking(move || go_away(&socket, round % 6)).await.unwrap();
        assert_eq!(proxy.client.status().await.unwrap().pid, pid);
        // It takes calls, and writes down what they change.
        proxy.put(&format!("r{round}"), &[server.address]).await;
    }
    // The same with real ones, killed at any moment, until one of them has taken over.
    for round in 0_u64.. {
        let mut successor = proxy.successor(2);
        tokio::time::sleep(Duration::from_millis(round * 2)).await;
        successor.kill().unwrap();
        successor.wait().unwrap();
        let Ok(status) = proxy.client.status().await else { break };
        assert_eq!(status.pid, pid);
        assert!(status.notes.iter().all(|note| note.contains("could not take over")), "{:?}", status.notes);
        assert!(clients.try_join_next().is_none(), "a request was lost");
    }
    // Nobody serves now: the one of before has let go of everything, so that another one can start.
    until("the sockets are free", async || proxy.child.try_wait().unwrap().is_some()).await;
    proxy.child = proxy.successor(2);
    proxy.ready().await;
    assert_eq!(get(proxy.listen, "/", &[]).await.text, "ok");
    end.store(true, Ordering::SeqCst);
}

#[tokio::test]
async fn waiting_for_what_is_in_hands_has_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("drain"), "4000").unwrap();
    let mut proxy = Proxy::start_in(folder).await;
    let server = server("ok").await;
    proxy.put("1", &[server.address]).await;
    let mut socket = TcpStream::connect(proxy.listen).await.unwrap();
    socket.write_all(b"GET /stream HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut some = [0; 64];
    socket.read_exact(&mut some).await.unwrap();
    let began = Instant::now();
    let mut before = proxy.take_over(2).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(before.runs());
    until("its time is over", async || !before.runs()).await;
    assert!(began.elapsed() >= Duration::from_secs(4));
    until("nothing of it is under way", async || {
        proxy.client.status().await.unwrap().routes[0].pools[0].inflight == 0
    })
    .await;
    // One that is told to end tells the one of before.
    let mut socket = TcpStream::connect(proxy.listen).await.unwrap();
    socket.write_all(b"GET /stream HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    socket.read_exact(&mut some).await.unwrap();
    std::fs::remove_file(proxy.folder.path().join("drain")).unwrap();
    let mut middle = proxy.take_over(2).await;
    proxy.client.shutdown().await.unwrap();
    drop(socket);
    until("both end", async || !middle.runs() && proxy.child.try_wait().unwrap().is_some()).await;
    let left: Vec<_> = std::fs::read_dir(proxy.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".old") || name.ends_with(".sock"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    // Where there is nobody to take over from, it simply starts.
    proxy.child = proxy.successor(1);
    proxy.ready().await;
    assert_eq!(get(proxy.listen, "/", &[]).await.text, "ok");
}
