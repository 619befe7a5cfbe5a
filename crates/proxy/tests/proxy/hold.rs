//! Requests are held, within limits, and go through the moment they may.

use std::time::{Duration, Instant};

use hyper::{Request, Response};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{Proxy, SOON, Server, ask, connect, full, get, until};

const ID: &str = "app/dev/web";

#[tokio::test]
async fn held_requests_go_to_the_new_pool() {
    let proxy = Proxy::start().await;
    let (first, second) = (Server::saying("first").await, Server::saying("second").await);
    proxy.put("1", &[first.address]).await;
    assert_eq!(get(proxy.listen, "/", &[]).await.text, "first");
    proxy.client.start_meter(ID).await.unwrap();
    assert_eq!(proxy.client.hold(ID, SOON).await.unwrap().inflight, 0);
    assert!(proxy.client.status().await.unwrap().routes[0].holding);
    let mut waiting = JoinSet::new();
    for number in 0..40 {
        let listen = proxy.listen;
        waiting.spawn(async move {
            let body = if number % 2 == 0 { "" } else { "body" };
            let request = Request::post("/").header("host", "x").body(full(body)).unwrap();
            ask(&mut connect(listen).await, request).await.unwrap().text
        });
    }
    until("all are held", async || proxy.held().await == 40).await;
    drop(first);
    tokio::time::sleep(Duration::from_millis(100)).await;
    proxy.put("2", &[second.address]).await;
    while let Some(answer) = waiting.join_next().await {
        assert_eq!(answer.unwrap(), "second");
    }
    let meter = proxy.client.meter(ID).await.unwrap();
    assert_eq!((meter.served, meter.failed, meter.held), (40, 0, 40), "{meter:?}");
    assert!((100..60_000).contains(&meter.pause_ms), "{meter:?}");
    assert_eq!(proxy.held().await, 0);
}

#[tokio::test]
async fn a_hold_waits_for_what_is_under_way_and_can_be_released() {
    let proxy = Proxy::start().await;
    let (arrived, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    let (go, gone) = tokio::sync::watch::channel(false);
    let server = Server::http(move |_| {
        arrived.send(()).unwrap();
        let mut gone = gone.clone();
        async move {
            gone.wait_for(|gone| *gone).await.unwrap();
            Response::new(full("done"))
        }
    })
    .await;
    proxy.put("1", &[server.address]).await;
    let listen = proxy.listen;
    let ask = move || tokio::spawn(async move { get(listen, "/", &[]).await.text });
    let first = ask();
    arrivals.recv().await.unwrap();
    assert_eq!(proxy.client.hold(ID, Duration::from_millis(50)).await.unwrap().inflight, 1);
    let second = ask();
    until("the second is held", async || proxy.held().await == 1).await;
    let client = proxy.client.clone();
    let hold = tokio::spawn(async move { client.hold(ID, SOON).await.unwrap().inflight });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!hold.is_finished());
    go.send(true).unwrap();
    assert_eq!(first.await.unwrap(), "done");
    assert_eq!(hold.await.unwrap(), 0);
    assert!(!second.is_finished());
    proxy.client.release(ID).await.unwrap();
    assert_eq!(second.await.unwrap(), "done");
    proxy.client.release(ID).await.unwrap();
    assert!(proxy.client.release("nobody").await.is_err());
}

#[tokio::test]
async fn limits_of_a_hold_are_kept() {
    let proxy = Proxy::start().await;
    let server = Server::saying("done").await;
    let mut route = proxy.route("1", &[server.address]);
    route.hold.requests = 2;
    route.hold.bytes = 10_000;
    route.hold.time_ms = 3000;
    proxy.client.put_route(&route).await.unwrap();
    proxy.client.start_meter(ID).await.unwrap();
    proxy.client.hold(ID, SOON).await.unwrap();
    // Too many bytes: the length counts, though nobody reads them.
    let request = Request::post("/").header("host", "x").body(full(vec![b'x'; 20_000])).unwrap();
    let answer = ask(&mut connect(proxy.listen).await, request).await.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (503, "2"));
    // Too many requests, then too long.
    let began = Instant::now();
    let listen = proxy.listen;
    let mut held = JoinSet::new();
    for _ in 0..2 {
        held.spawn(async move { get(listen, "/", &[]).await.status });
    }
    until("two are held", async || proxy.held().await == 2).await;
    assert_eq!(get(listen, "/", &[]).await.status, 503);
    while let Some(status) = held.join_next().await {
        assert_eq!(status.unwrap(), 503);
    }
    assert!(began.elapsed() >= Duration::from_secs(3));
    let meter = proxy.client.meter(ID).await.unwrap();
    assert_eq!((meter.served, meter.failed), (0, 4), "{meter:?}");
    proxy.client.release(ID).await.unwrap();
    assert_eq!(get(listen, "/", &[]).await.text, "done");
}

#[tokio::test]
async fn a_client_that_goes_away_is_forgotten() {
    let proxy = Proxy::start().await;
    let server = Server::saying("done").await;
    proxy.put("1", &[server.address]).await;
    proxy.client.hold(ID, SOON).await.unwrap();
    let mut socket = TcpStream::connect(proxy.listen).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    until("it is held", async || proxy.held().await == 1).await;
    drop(socket);
    until("it is forgotten", async || proxy.held().await == 0).await;
    proxy.client.release(ID).await.unwrap();
    assert_eq!(server.connections.load(std::sync::atomic::Ordering::SeqCst), 0);
}
