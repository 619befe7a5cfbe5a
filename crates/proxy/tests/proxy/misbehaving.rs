//! Back ends and clients that do what they should not: nobody is given somebody else's answer, or a part for the whole.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hyper::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Proxy, SOON, Server, ask, connect, full, get, head, raw};

const ID: &str = "app/dev/web";

/// What the client gets.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Want {
    /// A page of the proxy's with this status.
    Page(u16),
    /// The answer, whole, with this body.
    Whole(&'static str),
    /// The answer's head, and a connection that breaks off.
    Cut,
}

use Want::{Cut, Page, Whole};

/// A server that answers each head with these bytes, then closes or waits.
async fn answering(bytes: Vec<u8>, close: bool) -> Server {
    Server::raw(move |mut socket, _| {
        let bytes = bytes.clone();
        async move {
            while head(&mut socket).await.is_some() {
                let _ = socket.write_all(&bytes).await;
                if close {
                    return;
                }
            }
        }
    })
    .await
}

fn answers() -> Vec<(&'static str, Vec<u8>, bool, Want)> {
    let ok = |rest: &str| format!("HTTP/1.1 200 OK\r\n{rest}").into_bytes();
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}\r\n", "a".repeat(100_000)).into_bytes();
    let many = ok(&format!("{}\r\n", "X: a\r\n".repeat(300)));
    vec![
        ("whole", ok("Content-Length: 2\r\n\r\nok"), false, Whole("ok")),
        ("until it closes", ok("\r\nok"), true, Whole("ok")),
        ("old, until it closes", b"HTTP/1.0 200 OK\r\n\r\nok".to_vec(), true, Whole("ok")),
        ("in chunks", ok("Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"), false, Whole("ok")),
        (
            "a length beside chunks",
            ok("Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
            false,
            Whole("ok"),
        ),
        (
            "announced",
            [&b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"[..], &ok("Content-Length: 2\r\n\r\nok")]
                .concat(),
            false,
            Whole("ok"),
        ),
        ("more than its length", ok("Content-Length: 2\r\n\r\nok and more"), false, Whole("ok")),
        (
            "two answers",
            [ok("Content-Length: 2\r\n\r\nok"), ok("Content-Length: 5\r\n\r\nwrong")].concat(),
            false,
            Whole("ok"),
        ),
        ("a body where none may be", b"HTTP/1.1 204 No Content\r\n\r\nwrong".to_vec(), false, Whole("")),
        ("nothing", Vec::new(), true, Page(502)),
        ("half a head", b"HTTP/1.1 200 OK\r\nContent-Le".to_vec(), true, Page(502)),
        ("no HTTP", b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec(), false, Page(502)),
        ("HTTP/2", b"HTTP/2 200 OK\r\n\r\n".to_vec(), false, Page(502)),
        ("a status that is none", b"HTTP/1.1 42 What\r\n\r\n".to_vec(), false, Page(502)),
        ("a length that is none", ok("Content-Length: x\r\n\r\n"), false, Page(502)),
        ("two lengths", ok("Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!"), false, Page(502)),
        ("another coding", ok("Transfer-Encoding: gzip, chunked\r\n\r\n"), false, Page(502)),
        ("a field that is none", ok("A b: c\r\nContent-Length: 0\r\n\r\n"), false, Page(502)),
        ("a folded field", ok("A: b\r\n c\r\nContent-Length: 0\r\n\r\n"), false, Page(502)),
        ("a bare line feed", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n".to_vec(), false, Page(502)),
        ("an endless head", endless, false, Page(502)),
        ("300 fields", many, false, Page(502)),
        (
            "a change that nobody asked for",
            b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n".to_vec(),
            false,
            Page(502),
        ),
        ("announcements without end", b"HTTP/1.1 103 Early\r\n\r\n".repeat(100), false, Page(502)),
        ("half its length", ok("Content-Length: 10\r\n\r\nhalf"), true, Cut),
        ("half its chunks", ok("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"), true, Cut),
        ("half a chunk", ok("Transfer-Encoding: chunked\r\n\r\na\r\nhalf"), true, Cut),
        ("a chunk that lies", ok("Transfer-Encoding: chunked\r\n\r\n2\r\nhalf\r\n0\r\n\r\n"), false, Cut),
        ("a size that is none", ok("Transfer-Encoding: chunked\r\n\r\nxyz\r\n"), false, Cut),
        (
            "trailers that frame",
            ok("Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n"),
            false,
            Cut,
        ),
    ]
}

#[tokio::test]
async fn answers_are_whole_or_seen_not_to_be() {
    let proxy = Proxy::start().await;
    for (name, bytes, close, want) in answers() {
        let server = answering(bytes, close).await;
        proxy.put(name.replace(' ', "-").as_str(), &[server.address]).await;
        let mut sender = connect(proxy.listen).await;
        // Twice on one connection of the client: the second must not get what is left of the first.
        for _ in 0..2 {
            let request = Request::get("/").header("host", "x").body(full("")).unwrap();
            let got = ask(&mut sender, request).await;
            match (want, got) {
                (Page(status), Ok(answer)) => {
                    assert_eq!(answer.status, status, "{name}");
                    assert!(answer.text.starts_with(&status.to_string()), "{name}: {}", answer.text);
                }
                (Whole(text), Ok(answer)) => {
                    assert!(
                        answer.status < 300 && answer.text == text,
                        "{name}: {} {}",
                        answer.status,
                        answer.text
                    );
                }
                (Cut, Err(_)) => break,
                (want, got) => {
                    panic!("{name}: {want:?}, but {:?}", got.map(|answer| (answer.status, answer.text)))
                }
            }
        }
    }
}

#[tokio::test]
async fn a_back_end_that_never_answers_is_given_up() {
    let proxy = Proxy::start().await;
    let server = answering(Vec::new(), false).await;
    let mut route = proxy.route("1", &[server.address]);
    route.http.answer_ms = 500;
    proxy.client.put_route(&route).await.unwrap();
    let began = Instant::now();
    let answer = get(proxy.listen, "/", &[]).await;
    assert_eq!(answer.status, 504);
    assert!(began.elapsed() >= Duration::from_millis(500));
    let request = Request::post("/").header("host", "x").body(full("body")).unwrap();
    assert_eq!(ask(&mut connect(proxy.listen).await, request).await.unwrap().status, 504);
    assert_eq!(server.connections.load(Ordering::SeqCst), 2, "it was not asked again");
    assert_eq!(proxy.client.meter(ID).await.unwrap().failed, 2);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let proxy = Proxy::start().await;
    let (server, arrived) = Server::silent().await;
    let mut route = proxy.route("1", &[server.address]);
    route.http.body = Some(1000);
    proxy.client.put_route(&route).await.unwrap();
    let large = "a".repeat(5000);
    let told = raw(
        proxy.listen,
        format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n{large}").as_bytes(),
    )
    .await;
    assert!(told.starts_with("HTTP/1.1 413 "), "{told}");
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
    let expects = b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5000\r\n\r\n";
    let told = raw(proxy.listen, expects).await;
    assert!(told.starts_with("HTTP/1.1 413 "), "it was told to go on: {told}");
    let chunk = format!("1f4\r\n{}\r\n", "a".repeat(500)).repeat(3);
    let told = raw(
        proxy.listen,
        format!("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{chunk}").as_bytes(),
    )
    .await;
    assert!(told.starts_with("HTTP/1.1 413 ") && told.contains("connection: close"), "{told}");
    assert!(arrived.load(Ordering::SeqCst) < 2000, "the back end got more than the limit");
}

#[tokio::test]
async fn a_refusal_before_the_body_is_read_arrives() {
    let proxy = Proxy::start().await;
    // Refuses by the head alone, and closes.
    let server = Server::raw(|mut socket, _| async move {
        head(&mut socket).await.unwrap();
        socket.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
    })
    .await;
    proxy.put("1", &[server.address]).await;
    for _ in 0..5 {
        let mut socket = TcpStream::connect(proxy.listen).await.unwrap();
        socket.write_all(b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 50000000\r\n\r\n").await.unwrap();
        let (mut read, mut write) = socket.into_split();
        // It goes on sending for a while, as clients do that only look when they are done.
        let sending = tokio::spawn(async move {
            for _ in 0..40 {
                if write.write_all(&[b'a'; 4096]).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(Ok(count)) = timeout(SOON, read.read(&mut buffer)).await
            && count > 0
        {
            answer.extend_from_slice(&buffer[..count]);
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.ends_with("no"), "{answer:?}");
        sending.await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_knows_no_chunks_sees_that_a_part_is_not_the_whole() {
    let proxy = Proxy::start().await;
    let chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    for (end, whole) in [(&b""[..], false), (b"0\r\n\r\n", true)] {
        let server = answering([chunks, end].concat(), true).await;
        proxy.put(if whole { "whole" } else { "half" }, &[server.address]).await;
        let mut socket = TcpStream::connect(proxy.listen).await.unwrap();
        socket.write_all(b"GET / HTTP/1.0\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        let read = timeout(SOON, socket.read_to_string(&mut answer)).await.unwrap();
        assert_eq!(read.is_ok(), whole, "{read:?} {answer}");
    }
}

#[tokio::test]
async fn slow_clients_are_given_up() {
    let proxy = Proxy::start().await;
    let server = Server::http(|request: Request<_>| async move {
        let body = http_body_util::BodyExt::collect(request.into_body()).await;
        let length = body.map_or(0, |body| body.to_bytes().len());
        hyper::Response::new(full(vec![b'x'; 50_000_000_usize.saturating_sub(length)]))
    })
    .await;
    let mut route = proxy.route("1", &[server.address]);
    route.http.stall_ms = 500;
    proxy.client.put_route(&route).await.unwrap();
    // One that sends no more of its body.
    let mut socket = TcpStream::connect(proxy.listen).await.unwrap();
    socket.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
    let mut answer = String::new();
    timeout(SOON, socket.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    // One that sends a little now and then.
    let mut socket = TcpStream::connect(proxy.listen).await.unwrap();
    socket.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\n\r\n").await.unwrap();
    let mut head = [0; 13];
    let (mut read, mut write) = socket.split();
    tokio::select! {
        read = timeout(SOON, read.read_exact(&mut head)) => { read.unwrap().unwrap(); }
        () = async {
            loop {
                let _ = write.write_all(b"x").await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        } => {}
    }
    assert_eq!(&head, b"HTTP/1.1 408 ");
    drop(socket);
    // One that does not read its answer.
    let mut socket = TcpStream::connect(proxy.listen).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert_eq!(proxy.client.drained(ID, "1", SOON).await.unwrap(), 0, "it is still waited for");
    drop(socket);
    // One that is only slow is not.
    route.http.stall_ms = 4000;
    proxy.client.put_route(&route).await.unwrap();
    let mut socket = TcpStream::connect(proxy.listen).await.unwrap();
    socket
        .write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 320000\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        socket.write_all(&[b'x'; 32_000]).await.unwrap();
    }
    let mut head = [0; 15];
    timeout(SOON, socket.read_exact(&mut head)).await.unwrap().unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
}
