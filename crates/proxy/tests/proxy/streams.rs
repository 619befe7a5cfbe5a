//! Streams are told apart from other requests: a hold does not wait for them, whoever wants to can, before it.

use std::net::SocketAddr;
use std::time::Duration;

use landfall_proxy::PoolStatus;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::support::{Proxy, SOON, Server, get, head, until};

const ID: &str = "app/dev/web";
const MOMENT: Duration = Duration::from_millis(50);

/// A server whose `/socket` is an echo, whose `/events` and `/lines` never end; `/late` becomes events once `go` says so;
/// everything else is answered at once.
async fn server(go: watch::Receiver<bool>) -> Server {
    Server::raw(move |mut socket, _| {
        let mut go = go.clone();
        async move {
            let Some(head) = head(&mut socket).await else { return };
            let open = |kind: &str| format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n\r\n");
            let answer = match head.split(' ').nth(1).unwrap() {
                "/socket" => "HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n".to_owned(),
                "/events" => open("Text/Event-Stream; charset=utf-8"),
                "/late" => {
                    go.wait_for(|go| *go).await.unwrap();
                    open("text/event-stream")
                }
                "/lines" => open("text/plain"),
                // It says how long it is: no stream.
                "/short" => "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9\r\n\r\n"
                    .to_owned(),
                _ => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok".to_owned(),
            };
            socket.write_all(answer.as_bytes()).await.unwrap();
            if answer.ends_with("\r\n\r\n") {
                let (mut read, mut write) = socket.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            }
        }
    })
    .await
}

/// Sends a request and reads nothing.
async fn send(proxy: &Proxy, path: &str) -> TcpStream {
    let mut socket = TcpStream::connect(proxy.listen).await.unwrap();
    let upgrade = if path == "/socket" { "connection: upgrade\r\nupgrade: websocket\r\n" } else { "" };
    socket.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n{upgrade}\r\n").as_bytes()).await.unwrap();
    socket
}

/// Opens one, and gives it once its answer began.
async fn open(proxy: &Proxy, path: &str) -> TcpStream {
    let mut socket = send(proxy, path).await;
    timeout(SOON, socket.read_u8()).await.unwrap().unwrap();
    socket
}

async fn pool(proxy: &Proxy, label: &str) -> PoolStatus {
    let status = proxy.client.status().await.unwrap();
    status.routes[0].pools.iter().find(|pool| pool.label == label).unwrap().clone()
}

async fn counts(proxy: &Proxy) -> (u64, u64) {
    let pool = pool(proxy, "1").await;
    (pool.inflight, pool.streams)
}

#[tokio::test]
async fn websockets_and_events_are_streams_and_nothing_else_is() {
    let proxy = Proxy::start().await;
    let server = server(watch::channel(false).1).await;
    proxy.put("1", &[server.address]).await;
    let others = [open(&proxy, "/lines").await, open(&proxy, "/short").await];
    assert_eq!(counts(&proxy).await, (2, 0));
    let streams = [open(&proxy, "/socket").await, open(&proxy, "/events").await];
    assert_eq!(counts(&proxy).await, (4, 2));
    assert!(
        proxy
            .client
            .metrics()
            .await
            .unwrap()
            .contains("landfall_proxy_streams_open{route=\"app/dev/web\",pool=\"1\"} 2\n")
    );
    drop(others);
    until("only streams are left", async || counts(&proxy).await == (2, 2)).await;
    drop(streams);
    until("nothing is left", async || counts(&proxy).await == (0, 0)).await;
}

#[tokio::test]
async fn a_stream_ends_with_its_instance_and_not_with_one_side_of_its_client() {
    let proxy = Proxy::start().await;
    // One that takes its leave at once, and one that speaks only after the client said its last.
    let server = Server::raw(|mut socket, _| async move {
        let Some(head) = head(&mut socket).await else { return };
        let answer = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
        socket.write_all(answer.as_bytes()).await.unwrap();
        if head.starts_with("GET /late ") {
            let mut all = String::new();
            socket.read_to_string(&mut all).await.unwrap();
            tokio::time::sleep(Duration::from_secs(4)).await;
            socket.write_all(all.as_bytes()).await.unwrap();
        }
    })
    .await;
    let mut route = proxy.route("1", &[server.address]);
    route.http.stall_ms = 500;
    proxy.client.put_route(&route).await.unwrap();
    let tunnel = async |path: &str| {
        let mut socket = TcpStream::connect(proxy.listen).await.unwrap();
        let ask = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n");
        socket.write_all(ask.as_bytes()).await.unwrap();
        assert!(head(&mut socket).await.unwrap().starts_with("HTTP/1.1 101 "));
        socket
    };
    let mut open = tunnel("/").await;
    assert_eq!(timeout(SOON, open.read(&mut [0])).await.unwrap().unwrap(), 0, "it is told");
    until("the stream is over, though its client does not close", async || counts(&proxy).await == (0, 0))
        .await;
    let mut late = tunnel("/late").await;
    late.write_all(b"hello").await.unwrap();
    late.shutdown().await.unwrap();
    let mut all = String::new();
    timeout(SOON, late.read_to_string(&mut all)).await.unwrap().unwrap();
    assert_eq!(all, "hello");
}

/// As the kernel has it (proc(5), `/proc/net/tcp`): the timer of a connection that is looked after is number 2.
#[tokio::test]
async fn clients_that_vanish_are_looked_for() {
    let proxy = Proxy::start().await;
    let server = server(watch::channel(false).1).await;
    proxy.put("1", &[server.address]).await;
    let client = open(&proxy, "/socket").await;
    let hex = |address: SocketAddr| {
        let SocketAddr::V4(address) = address else { unreachable!("the tests use IPv4") };
        format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
    };
    let ends = format!(" {} {} 01 ", hex(proxy.listen), hex(client.local_addr().unwrap()));
    until("the kernel looks after it", async || {
        let all = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let row = all.lines().find(|row| row.contains(&ends)).unwrap();
        row.split_whitespace().nth(5).unwrap().starts_with("02:")
    })
    .await;
}

#[tokio::test]
async fn requests_go_on_while_streams_are_waited_for() {
    let proxy = Proxy::start().await;
    let server = server(watch::channel(false).1).await;
    proxy.put("1", &[server.address]).await;
    let streams = proxy.client.streams(ID, SOON).await.unwrap();
    assert_eq!((streams.open, streams.holding), (0, false));
    let (socket, events) = (open(&proxy, "/socket").await, open(&proxy, "/events").await);
    assert_eq!(proxy.client.streams(ID, MOMENT).await.unwrap().open, 2);
    let client = proxy.client.clone();
    let waiting = tokio::spawn(async move { client.streams(ID, SOON).await.unwrap() });
    drop(events);
    until("one is left", async || counts(&proxy).await == (1, 1)).await;
    assert_eq!(get(proxy.listen, "/", &[]).await.text, "ok");
    assert!(!waiting.is_finished());
    drop(socket);
    assert_eq!(waiting.await.unwrap().open, 0);
    assert!(proxy.client.streams("nobody", MOMENT).await.is_err());
}

#[tokio::test]
async fn a_hold_leaves_streams_out() {
    let proxy = Proxy::start().await;
    let (go, told) = watch::channel(false);
    let server = server(told).await;
    proxy.put("1", &[server.address]).await;
    let mut socket = open(&proxy, "/socket").await;
    head(&mut socket).await.unwrap();
    let hold = proxy.client.hold(ID, SOON).await.unwrap();
    assert_eq!((hold.inflight, hold.streams), (0, 1));
    // Whoever waited for it now would make requests wait with him.
    let streams = timeout(SOON, proxy.client.streams(ID, 3 * SOON)).await.unwrap().unwrap();
    assert_eq!((streams.open, streams.holding), (1, true));
    proxy.client.release(ID).await.unwrap();
    // One that is under way and turns out to be a stream is no longer waited for.
    let late = send(&proxy, "/late").await;
    until("it is under way", async || counts(&proxy).await == (2, 1)).await;
    assert_eq!(proxy.client.hold(ID, MOMENT).await.unwrap().inflight, 1);
    let client = proxy.client.clone();
    let hold = tokio::spawn(async move { client.hold(ID, SOON).await.unwrap() });
    go.send(true).unwrap();
    let hold = hold.await.unwrap();
    assert_eq!((hold.inflight, hold.streams), (0, 2));
    socket.write_all(b"hello").await.unwrap();
    let mut echoed = [0; 5];
    timeout(SOON, socket.read_exact(&mut echoed)).await.unwrap().unwrap();
    assert_eq!(&echoed, b"hello", "a hold cuts nothing");
    drop(late);
}

#[tokio::test]
async fn streams_of_a_proxy_of_before_are_waited_for() {
    let mut proxy = Proxy::start().await;
    let server = server(watch::channel(false).1).await;
    proxy.put("1", &[server.address]).await;
    let old = open(&proxy, "/socket").await;
    let client = proxy.client.clone();
    let waiting = tokio::spawn(async move { client.streams(ID, Duration::from_secs(3)).await.unwrap().open });
    let mut before = proxy.take_over(2).await;
    assert_eq!(counts(&proxy).await, (1, 1));
    let new = open(&proxy, "/events").await;
    assert_eq!(proxy.client.hold(ID, SOON).await.unwrap().streams, 2);
    proxy.client.release(ID).await.unwrap();
    // What was asked of the one of before is answered by the one that took over: it knows of both.
    assert_eq!(waiting.await.unwrap(), 2);
    assert!(before.runs());
    drop(new);
    until("one is left", async || counts(&proxy).await == (1, 1)).await;
    drop(old);
    assert_eq!(proxy.client.streams(ID, SOON).await.unwrap().open, 0);
}
