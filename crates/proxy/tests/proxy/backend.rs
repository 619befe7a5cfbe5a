//! Backends that misbehave: what is sent again, what is not, what the client gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::{Request, Response};
use landfall_proxy::HealthCheck;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{self, Proxy, Server, address, ask, connect, full, get, until};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Reads one request, its body by its length; false when there is none.
async fn head(socket: &mut TcpStream) -> bool {
    let Some(text) = support::head(socket).await else { return false };
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    socket.read_exact(&mut body).await.is_ok()
}

#[tokio::test]
async fn connections_are_used_again() {
    let proxy = Proxy::start().await;
    let server = Server::saying("ok").await;
    proxy.put("1", &[server.address]).await;
    let mut sender = connect(proxy.listen).await;
    for _ in 0..50 {
        let request = Request::get("/").header("host", "x").body(full("")).unwrap();
        assert_eq!(ask(&mut sender, request).await.unwrap().status, 200);
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_idle_connection_that_was_closed_is_no_error() {
    let proxy = Proxy::start().await;
    // Closes without a word when the second request comes: the worst moment.
    let server = Server::raw(|mut socket, _| async move {
        if head(&mut socket).await {
            socket.write_all(OK).await.unwrap();
            head(&mut socket).await;
        }
    })
    .await;
    proxy.put("1", &[server.address]).await;
    proxy.client.start_meter("app/dev/web").await.unwrap();
    let mut sender = connect(proxy.listen).await;
    let cases = [
        ("GET", "", ""),
        ("GET", "", ""),
        ("GET", "", "websocket"),
        ("PUT", "", ""),
        ("PUT", "body", ""),
        ("POST", "", ""),
        ("POST", "body", ""),
        ("DELETE", "", ""),
    ];
    for (method, body, upgrade) in cases {
        let mut request = Request::builder().method(method).uri("/").header("host", "x");
        if !upgrade.is_empty() {
            request = request.header("connection", "upgrade").header("upgrade", upgrade);
        }
        let answer = ask(&mut sender, request.body(full(body)).unwrap()).await.unwrap();
        assert_eq!((answer.status, answer.text.as_str()), (200, "ok"), "{method} {body} {upgrade}");
    }
    assert_eq!(proxy.client.meter("app/dev/web").await.unwrap().failed, 0);
}

#[tokio::test]
async fn what_may_have_arrived_is_not_sent_twice() {
    let proxy = Proxy::start().await;
    let heads = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heads);
    let server = Server::raw(move |mut socket, _| {
        let count = Arc::clone(&count);
        async move {
            if head(&mut socket).await {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    proxy.put("1", &[server.address]).await;
    let mut sender = connect(proxy.listen).await;
    let post = || Request::post("/").header("host", "x").body(full("order")).unwrap();
    assert_eq!(ask(&mut sender, post()).await.unwrap().status, 502);
    assert_eq!(heads.load(Ordering::SeqCst), 1);
    // One that may be repeated is, once.
    assert_eq!(get(proxy.listen, "/", &[]).await.status, 502);
    assert_eq!(heads.load(Ordering::SeqCst), 3);
    let pool = &proxy.client.status().await.unwrap().routes[0].pools[0];
    assert_eq!((pool.served, pool.failed, pool.inflight), (0, 2, 0));
}

#[tokio::test]
async fn half_an_answer_is_seen_as_such() {
    let proxy = Proxy::start().await;
    let answers: [&[u8]; 3] = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200",
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        let server = Server::raw(move |mut socket, _| async move {
            head(&mut socket).await;
            socket.write_all(answer).await.unwrap();
        })
        .await;
        proxy.put(&number.to_string(), &[server.address]).await;
        let request = Request::get("/").header("host", "x").body(full("")).unwrap();
        let got = ask(&mut connect(proxy.listen).await, request).await;
        match number {
            2 => assert_eq!(got.unwrap().status, 502),
            _ => assert!(got.is_err(), "a part was taken for the whole"),
        }
        let status = proxy.client.status().await.unwrap();
        let pool = status.routes[0].pools.last().unwrap();
        assert_eq!((pool.served, pool.failed), (0, 1), "{number}");
    }
}

#[tokio::test]
async fn nonsense_from_a_backend_is_a_bad_gateway() {
    let proxy = Proxy::start().await;
    let answers: [&[u8]; 4] = [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nfield : x\r\ncontent-length: 0\r\n\r\n",
    ];
    for answer in answers {
        let server = Server::raw(move |mut socket, _| async move {
            head(&mut socket).await;
            let _ = socket.write_all(answer).await;
            let _ = socket.read_u8().await;
        })
        .await;
        proxy.put("1", &[server.address]).await;
        assert_eq!(get(proxy.listen, "/", &[]).await.status, 502, "{}", String::from_utf8_lossy(answer));
    }
}

#[tokio::test]
async fn requests_go_round_a_backend_that_is_down() {
    let proxy = Proxy::start().await;
    let (first, second, down) = (Server::saying("first").await, Server::saying("second").await, address());
    proxy.put("1", &[down, first.address, second.address]).await;
    proxy.client.start_meter("app/dev/web").await.unwrap();
    let mut texts = Vec::new();
    for number in 0..20 {
        let body = if number % 2 == 0 { "" } else { "body" };
        let request = Request::post("/").header("host", "x").body(full(body)).unwrap();
        texts.push(ask(&mut connect(proxy.listen).await, request).await.unwrap().text);
    }
    assert!(texts.contains(&"first".to_owned()) && texts.contains(&"second".to_owned()), "{texts:?}");
    let healthy = async || {
        let status = proxy.client.status().await.unwrap();
        status.routes[0].backends.iter().map(|backend| backend.healthy).collect::<Vec<_>>()
    };
    assert_eq!(healthy().await, [false, true, true]);
    let meter = proxy.client.meter("app/dev/web").await.unwrap();
    assert_eq!((meter.served, meter.failed, meter.pause_ms), (20, 0, 0), "{meter:?}");
    let _back = Server::raw_at(down, |mut socket, _| async move {
        while head(&mut socket).await {
            socket.write_all(OK).await.unwrap();
        }
    })
    .await;
    until("its return is seen", async || healthy().await == [true, true, true]).await;
}

#[tokio::test]
async fn no_backend_is_unavailable_and_a_pause() {
    let proxy = Proxy::start().await;
    let server = Server::saying("ok").await;
    let at = server.address;
    proxy.put("1", &[at]).await;
    proxy.client.start_meter("app/dev/web").await.unwrap();
    assert_eq!(get(proxy.listen, "/", &[]).await.status, 200);
    drop(server);
    until("it is gone", async || TcpStream::connect(at).await.is_err()).await;
    let answer = get(proxy.listen, "/", &[("accept", "text/html")]).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "2"));
    assert!(answer.text.starts_with("<!doctype html>"), "{}", answer.text);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let meter = proxy.client.meter("app/dev/web").await.unwrap();
    assert!(meter.failed == 1 && meter.pause_ms >= 90, "{meter:?}");
}

#[tokio::test]
async fn a_sick_backend_is_left_out_until_it_is_well() {
    let proxy = Proxy::start().await;
    let sick = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let state = Arc::clone(&sick);
    let first = Server::http(move |request: Request<_>| {
        let sick = state.load(Ordering::SeqCst);
        async move {
            let status = if request.uri() == "/health?deep" && sick { 500 } else { 200 };
            Response::builder().status(status).body(full("first")).unwrap()
        }
    })
    .await;
    let second = Server::saying("second").await;
    let mut route = proxy.route("1", &[first.address, second.address]);
    route.health = Some(HealthCheck {
        path: Some("/health?deep".to_owned()),
        status: (200, 299),
        interval_ms: 30,
        timeout_ms: 1000,
    });
    proxy.client.put_route(&route).await.unwrap();
    let healthy = async || {
        let status = proxy.client.status().await.unwrap();
        status.routes[0].backends.iter().map(|backend| backend.healthy).collect::<Vec<_>>()
    };
    sick.store(true, Ordering::SeqCst);
    until("it is seen as sick", async || healthy().await == [false, true]).await;
    for _ in 0..10 {
        assert_eq!(get(proxy.listen, "/", &[]).await.text, "second");
    }
    sick.store(false, Ordering::SeqCst);
    until("it is seen as well", async || healthy().await == [true, true]).await;
}
