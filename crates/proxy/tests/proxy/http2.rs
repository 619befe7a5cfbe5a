//! HTTP/2 to clients and to back ends.

use std::future::poll_fn;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Method};
use http_body_util::BodyExt as _;
use hyper::{Request, Response};
use landfall_model::Protocol;
use landfall_proxy::{HealthCheck, HttpOptions};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Proxy, SOON, Server, ask, connect, full, get, head, until};

const ID: &str = "app/dev/web";

/// A connection to the proxy, known beforehand to speak HTTP/2.
async fn open(address: std::net::SocketAddr) -> SendRequest<Bytes> {
    let socket = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    sender.ready().await.unwrap()
}

fn request(method: Method, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(format!("http://a.example{path}"))
}

/// The whole body and its trailers.
async fn whole(mut body: RecvStream) -> (Vec<u8>, Option<HeaderMap>) {
    let mut bytes = Vec::new();
    while let Some(piece) = timeout(SOON, body.data()).await.unwrap() {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        bytes.extend_from_slice(&piece);
    }
    (bytes, body.trailers().await.unwrap())
}

/// A server that speaks HTTP/2 only: it sends back what it gets as it comes, and a trailer with the count of bytes.
async fn echo() -> Server {
    Server::raw(|socket, _| async move {
        let mut connection = h2::server::handshake(socket).await.unwrap();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            tokio::spawn(async move {
                let (head, mut body) = request.into_parts();
                let mut response = Response::builder().header("x-path", head.uri.path());
                for name in ["x-forwarded-for", "te", "content-type", "host"] {
                    if let Some(value) = head.headers.get(name) {
                        response = response.header(format!("x-saw-{name}"), value);
                    }
                }
                response = response.header("x-authority", head.uri.authority().unwrap().as_str());
                if body.is_end_stream() {
                    // As gRPC does for a call that fails at once.
                    let response = response.header("grpc-status", "12").body(()).unwrap();
                    respond.send_response(response, true).unwrap();
                    return;
                }
                let mut send = respond.send_response(response.body(()).unwrap(), false).unwrap();
                let mut count = 0;
                while let Some(Ok(piece)) = body.data().await {
                    body.flow_control().release_capacity(piece.len()).unwrap();
                    count += piece.len();
                    send.send_data(piece, false).unwrap();
                }
                let mut trailers = body.trailers().await.unwrap().unwrap_or_default();
                trailers.insert("x-count", count.into());
                send.send_trailers(trailers).unwrap();
            });
        }
    })
    .await
}

#[tokio::test]
async fn clients_of_http2_are_served_by_back_ends_of_http1() {
    let proxy = Proxy::start().await;
    let server = Server::http(|request: Request<_>| async move {
        let head = format!("{} {} {:?}", request.method(), request.uri(), request.headers());
        let body = http_body_util::BodyExt::collect(request.into_body()).await.unwrap().to_bytes();
        Response::builder().header("x-head", head.replace('"', "'")).body(full(body)).unwrap()
    })
    .await;
    proxy.put("1", &[server.address]).await;
    let mut sender = open(proxy.listen).await;
    // Many at once on one connection.
    let mut answers = Vec::new();
    for number in 0..50 {
        let request = request(Method::POST, &format!("/{number}"))
            .header("cookie", "a=b")
            .header("cookie", "c=d")
            .body(())
            .unwrap();
        let (answer, mut send) = sender.send_request(request, false).unwrap();
        send.send_data(format!("body {number}").into(), true).unwrap();
        answers.push(answer);
        sender = sender.ready().await.unwrap();
    }
    for (number, answer) in answers.into_iter().enumerate() {
        let answer = timeout(SOON, answer).await.unwrap().unwrap();
        let head = answer.headers()["x-head"].to_str().unwrap().to_owned();
        assert!(
            head.starts_with(&format!("POST /{number} ")) && head.contains("'host': 'a.example'"),
            "{head}"
        );
        assert!(
            head.contains("'x-forwarded-for': '127.0.0.1'") && head.contains("'cookie': 'a=b; c=d'"),
            "{head}"
        );
        assert!(answer.headers().contains_key("date") && !answer.headers().contains_key("connection"));
        assert_eq!(whole(answer.into_body()).await.0, format!("body {number}").as_bytes());
    }
    // A head, a page of the proxy's own, a method that goes nowhere.
    let mut status = async |method, path: &str, host: Option<&str>| {
        sender = sender.clone().ready().await.unwrap();
        let mut request = request(method, path);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let (answer, _) = sender.send_request(request.body(()).unwrap(), true).unwrap();
        timeout(SOON, answer).await.unwrap().unwrap().status().as_u16()
    };
    assert_eq!(status(Method::HEAD, "/", None).await, 200);
    assert_eq!(status(Method::GET, "/", Some("other.example")).await, 400);
    proxy.client.remove_route(ID).await.unwrap();
    assert_eq!(status(Method::GET, "/", None).await, 404);
}

#[tokio::test]
async fn streams_of_http2_go_to_back_ends_of_http2_with_trailers() {
    let proxy = Proxy::start().await;
    let server = echo().await;
    let mut route = proxy.route("1", &[server.address]);
    route.http.protocol = Protocol::H2c;
    proxy.client.put_route(&route).await.unwrap();
    let mut sender = open(proxy.listen).await;
    let call = request(Method::POST, "/pkg.Service/Call")
        .header("te", "trailers")
        .header("content-type", "application/grpc");
    let (answer, mut send) = sender.send_request(call.body(()).unwrap(), false).unwrap();
    // Both ways at once, as in a call that streams.
    let answer = timeout(SOON, answer).await.unwrap().unwrap();
    assert_eq!(answer.headers()["x-path"], "/pkg.Service/Call");
    assert_eq!(answer.headers()["x-authority"], "a.example");
    assert_eq!(
        (&answer.headers()["x-saw-te"], &answer.headers()["x-saw-content-type"]),
        (&"trailers".parse().unwrap(), &"application/grpc".parse().unwrap())
    );
    let mut body = answer.into_body();
    for text in ["one", "two", "three"] {
        send.send_data(text.into(), false).unwrap();
        let piece = timeout(SOON, body.data()).await.unwrap().unwrap().unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        assert_eq!(piece, text);
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "6".parse().unwrap());
    send.send_trailers(trailers).unwrap();
    let (rest, trailers) = whole(body).await;
    let trailers = trailers.unwrap();
    assert!(rest.is_empty());
    assert_eq!((&trailers["x-sum"], &trailers["x-count"]), (&"6".parse().unwrap(), &"11".parse().unwrap()));
    // A call that fails at once is a head and nothing more.
    let (answer, _) = sender.send_request(request(Method::GET, "/x").body(()).unwrap(), true).unwrap();
    let answer = timeout(SOON, answer).await.unwrap().unwrap();
    assert_eq!(answer.headers()["grpc-status"], "12");
    assert!(answer.body().is_end_stream());
    // A large body, and HTTP/1.1 in front: one connection serves all.
    let bytes: Bytes = (0..5_000_000).map(|index| (index % 251) as u8).collect();
    let mut one = connect(proxy.listen).await;
    let post = Request::post("/").header("host", "x").body(full(bytes.clone())).unwrap();
    let answer = timeout(SOON, one.send_request(post)).await.unwrap().unwrap();
    let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap();
    assert!(body.to_bytes() == bytes);
    assert_eq!(proxy.client.drained(ID, "1", SOON).await.unwrap(), 0);
    assert!(server.connections.load(Ordering::SeqCst) <= 2, "more than one connection a worker");
}

/// A server that speaks HTTP/2 only and sends a long body as fast as it may, or a short one where `/short` is asked for;
/// and the bytes of it that went out.
async fn lavish() -> (Server, Arc<AtomicUsize>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let server = Server::raw(move |socket, _| {
        let count = Arc::clone(&count);
        async move {
            let mut connection = h2::server::handshake(socket).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let count = Arc::clone(&count);
                let mut left: usize = if request.uri().path() == "/short" { 300_000 } else { 40_000_000 };
                let mut send = respond.send_response(Response::new(()), false).unwrap();
                tokio::spawn(async move {
                    while left > 0 {
                        send.reserve_capacity(left);
                        let Some(Ok(room)) = poll_fn(|cx| send.poll_capacity(cx)).await else { return };
                        left -= room;
                        count.fetch_add(room, Ordering::SeqCst);
                        send.send_data(vec![0; room].into(), left == 0).unwrap();
                    }
                });
            }
        }
    });
    (server.await, sent)
}

#[tokio::test]
async fn clients_that_do_not_read_hold_back_nobody_else() {
    let proxy = Proxy::start().await;
    let (server, sent) = lavish().await;
    let mut route = proxy.route("1", &[server.address]);
    route.http.protocol = Protocol::H2c;
    proxy.client.put_route(&route).await.unwrap();
    let mut slow = Vec::new();
    for _ in 0..24 {
        let mut socket = TcpStream::connect(proxy.listen).await.unwrap();
        socket.write_all(b"GET /long HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        head(&mut socket).await.unwrap();
        slow.push(socket);
    }
    let mut before = 0;
    until("nothing moves any more", async || {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = sent.load(Ordering::SeqCst);
        std::mem::replace(&mut before, now) == now
    })
    .await;
    // Whichever worker they come to.
    for _ in 0..16 {
        assert_eq!(get(proxy.listen, "/short", &[]).await.text.len(), 300_000);
    }
}

#[tokio::test]
async fn a_call_that_streams_may_be_silent() {
    let proxy = Proxy::start().await;
    // One that has nothing to say before it was told all.
    let server = Server::raw(|socket, _| async move {
        let mut connection = h2::server::handshake(socket).await.unwrap();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            tokio::spawn(async move {
                let (bytes, _) = whole(request.into_body()).await;
                let mut send = respond.send_response(Response::new(()), false).unwrap();
                send.send_data(bytes.into(), true).unwrap();
            });
        }
    })
    .await;
    let mut route = proxy.route("1", &[server.address]);
    route.http = HttpOptions { protocol: Protocol::H2c, stall_ms: 200, ..route.http };
    proxy.client.put_route(&route).await.unwrap();
    let mut sender = open(proxy.listen).await;
    let call = request(Method::POST, "/pkg.Service/Record").body(()).unwrap();
    let (answer, mut send) = sender.send_request(call, false).unwrap();
    send.send_data("one".into(), false).unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    send.send_data("two".into(), true).unwrap();
    let answer = timeout(SOON, answer).await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(whole(answer.into_body()).await.0, b"onetwo");
}

#[tokio::test]
async fn a_back_end_of_http2_is_checked_in_its_own_language() {
    let proxy = Proxy::start().await;
    let server = echo().await;
    let mut route = proxy.route("1", &[server.address]);
    route.http.protocol = Protocol::H2c;
    let path = Some("/health".to_owned());
    route.health = Some(HealthCheck { path, status: (200, 299), interval_ms: 20, timeout_ms: 2000 });
    proxy.client.put_route(&route).await.unwrap();
    until("it was asked a few times", async || server.connections.load(Ordering::SeqCst) > 4).await;
    assert!(proxy.client.status().await.unwrap().routes[0].backends[0].healthy);
    // What is wrong for it is seen too.
    route.health.as_mut().unwrap().status = (204, 204);
    proxy.client.put_route(&route).await.unwrap();
    until("it is seen as sick", async || !proxy.client.status().await.unwrap().routes[0].backends[0].healthy)
        .await;
}

#[tokio::test]
async fn a_back_end_of_http2_that_went_away_is_reached_again() {
    let proxy = Proxy::start().await;
    let first = echo().await;
    let at = first.address;
    let mut route = proxy.route("1", &[at]);
    route.http.protocol = Protocol::H2c;
    proxy.client.put_route(&route).await.unwrap();
    let mut one = connect(proxy.listen).await;
    let get = || Request::get("/").header("host", "x").body(full("")).unwrap();
    assert_eq!(ask(&mut one, get()).await.unwrap().status, 200);
    drop(first);
    until("it is gone", async || TcpStream::connect(at).await.is_err()).await;
    assert_eq!(ask(&mut one, get()).await.unwrap().status, 503);
    let listener = tokio::net::TcpListener::bind(at).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(socket).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    respond.send_response(Response::new(()), true).unwrap();
                }
            });
        }
    });
    until("it answers again", async || ask(&mut one, get()).await.unwrap().status == 200).await;
}

#[tokio::test]
async fn a_client_that_only_opens_and_resets_is_sent_away() {
    let proxy = Proxy::start().await;
    let (server, arrived) = Server::silent().await;
    proxy.put("1", &[server.address]).await;
    let mut sender = open(proxy.listen).await;
    let mut sent = 0;
    let ended = timeout(SOON, async {
        loop {
            let Ok(ready) = sender.clone().ready().await else { return };
            sender = ready;
            let Ok((_, mut stream)) = sender.send_request(request(Method::GET, "/").body(()).unwrap(), false)
            else {
                return;
            };
            stream.send_reset(Reason::CANCEL);
            sent += 1;
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(ended.is_ok(), "after {sent} streams it is still served");
    assert_eq!(proxy.client.drained(ID, "1", SOON).await.unwrap(), 0);
    // Others are served as before.
    drop(open(proxy.listen).await);
    eprintln!(
        "sent away after {sent} streams, {} bytes of which reached the back end",
        arrived.load(Ordering::SeqCst)
    );
}

#[tokio::test]
async fn a_websocket_goes_through_a_stream() {
    let proxy = Proxy::start().await;
    let server = Server::raw(|mut socket, _| async move {
        let head = head(&mut socket).await.unwrap().to_lowercase();
        assert!(head.starts_with("get /chat http/1.1") && head.contains("upgrade: websocket"), "{head}");
        assert!(head.contains("sec-websocket-key: ") && head.contains("sec-websocket-version: 13"), "{head}");
        let answer = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
        socket.write_all(answer.as_bytes()).await.unwrap();
        let (mut read, mut write) = socket.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    })
    .await;
    proxy.put("1", &[server.address]).await;
    let mut sender = open(proxy.listen).await;
    until("extended CONNECT is offered", async || sender.is_extended_connect_protocol_enabled()).await;
    let mut chat = request(Method::CONNECT, "/chat").header("sec-websocket-version", "13").body(()).unwrap();
    chat.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    let (answer, mut send) = sender.send_request(chat, false).unwrap();
    let answer = timeout(SOON, answer).await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    let mut body = answer.into_body();
    for text in ["hello", "again"] {
        send.send_data(text.into(), false).unwrap();
        assert_eq!(timeout(SOON, body.data()).await.unwrap().unwrap().unwrap(), text);
    }
    assert_eq!(proxy.client.drained(ID, "1", Duration::from_millis(20)).await.unwrap(), 1);
    assert_eq!(proxy.client.streams(ID, Duration::from_millis(20)).await.unwrap().open, 1);
    send.send_data(Bytes::new(), true).unwrap();
    assert!(whole(body).await.0.is_empty());
    assert_eq!(proxy.client.drained(ID, "1", SOON).await.unwrap(), 0);
}

/// Another implementation than ours: curl's.
#[tokio::test]
async fn curl_speaks_http2_with_it() {
    let knows = Command::new("curl").arg("--version").output();
    if !knows.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains("HTTP2")) {
        eprintln!("SKIPPED: no curl that speaks HTTP/2");
        return;
    }
    let proxy = Proxy::start().await;
    // One that waits for the body: this curl (7.88) gives up a request that is answered before it has sent all of it.
    let server = Server::http(|request| async {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(full(body))
    })
    .await;
    proxy.put("1", &[server.address]).await;
    let url = format!("http://{}/x", proxy.listen);
    let said = tokio::task::spawn_blocking(move || {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--http2-prior-knowledge", "-w", "|%{http_version}|%{http_code}", "-d", "body"])
            .arg(url);
        curl.output().unwrap()
    });
    let said = timeout(SOON, said).await.unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), "body|2|200", "{said:?}");
}
