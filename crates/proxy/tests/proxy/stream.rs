//! Nothing is buffered, nothing is lost: streams both ways, trailers, changed protocols.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::support::{Body, Proxy, SOON, Server, ask, connect, full, raw};

/// A body out of frames as they come.
fn frames(frames: mpsc::UnboundedReceiver<Frame<Bytes>>) -> Body {
    StreamBody::new(UnboundedReceiverStream::new(frames).map(Ok::<_, std::io::Error>)).boxed()
}

#[tokio::test]
async fn frames_pass_as_they_come_in_both_directions() {
    let proxy = Proxy::start().await;
    // Sends back each frame of the request, trailers too, when it comes.
    let server = Server::http(|request| async move {
        let (send, body) = mpsc::unbounded_channel();
        let mut incoming = request.into_body();
        tokio::spawn(async move {
            while let Some(Ok(frame)) = incoming.frame().await {
                let _ = send.send(frame);
            }
        });
        Response::builder().header("trailer", "x-sum").body(frames(body)).unwrap()
    })
    .await;
    proxy.put("1", &[server.address]).await;
    let (send, body) = mpsc::unbounded_channel();
    let request = Request::post("/").header("host", "x").header("te", "trailers").header("trailer", "x-sum");
    let mut sender = connect(proxy.listen).await;
    let answer = sender.send_request(request.body(frames(body)).unwrap());
    send.send(Frame::data("first".into())).unwrap();
    let answer = timeout(SOON, answer).await.unwrap().unwrap();
    assert_eq!(answer.headers().get("transfer-encoding").unwrap(), "chunked");
    let mut body = answer.into_body();
    let mut next = async || timeout(SOON, body.frame()).await.unwrap().unwrap().unwrap();
    assert_eq!(next().await.into_data().unwrap(), "first");
    for number in 0..20 {
        send.send(Frame::data(number.to_string().into())).unwrap();
        assert_eq!(next().await.into_data().unwrap(), number.to_string());
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "42".parse().unwrap());
    send.send(Frame::trailers(trailers.clone())).unwrap();
    drop(send);
    assert_eq!(next().await.into_trailers().unwrap(), trailers);
    assert_eq!(proxy.client.drained("app/dev/web", "1", SOON).await.unwrap(), 0);
}

#[tokio::test]
async fn a_backend_that_does_not_read_holds_the_client_back() {
    const MOST: usize = 64 * 1024 * 1024;
    let proxy = Proxy::start().await;
    let server = Server::raw(|socket, _| async move {
        std::future::pending::<()>().await;
        drop(socket);
    })
    .await;
    proxy.put("1", &[server.address]).await;
    let before = proxy.client.status().await.unwrap().memory.unwrap();
    let mut socket = TcpStream::connect(proxy.listen).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {MOST}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![0; 256 * 1024];
    let mut sent = 0;
    while sent < MOST
        && let Ok(Ok(count)) = timeout(Duration::from_secs(1), socket.write(&piece)).await
    {
        sent += count;
    }
    assert!(sent < MOST / 2, "{sent} bytes were taken from the client");
    let grown = proxy.client.status().await.unwrap().memory.unwrap().saturating_sub(before);
    assert!(grown < 8 * 1024 * 1024, "{grown} bytes of memory were used for it");
}

#[tokio::test]
async fn large_bodies_arrive_whole() {
    const SIZE: usize = 20 * 1024 * 1024;
    let proxy = Proxy::start().await;
    let server = Server::http(|request: Request<_>| async move {
        let body: Bytes = http_body_util::BodyExt::collect(request.into_body()).await.unwrap().to_bytes();
        Response::new(full(body))
    })
    .await;
    proxy.put("1", &[server.address]).await;
    let bytes: Bytes = (0..SIZE).map(|index| (index % 251) as u8).collect();
    let mut sender = connect(proxy.listen).await;
    let request = Request::post("/").header("host", "x").body(full(bytes.clone())).unwrap();
    let answer = timeout(SOON, sender.send_request(request)).await.unwrap().unwrap();
    let body = timeout(SOON, answer.into_body().collect()).await.unwrap().unwrap().to_bytes();
    assert!(body == bytes);
}

#[tokio::test]
async fn a_changed_protocol_passes_and_is_under_way() {
    let proxy = Proxy::start().await;
    let server = Server::http(|mut request: Request<_>| async move {
        assert_eq!(request.headers()["sec-websocket-key"], "abc");
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut socket = TokioIo::new(upgrade.await.unwrap());
            let mut buffer = [0; 100];
            while let Ok(count) = socket.read(&mut buffer).await
                && count > 0
            {
                socket.write_all(&buffer[..count]).await.unwrap();
            }
        });
        let response = Response::builder().status(101).header("connection", "Upgrade");
        response.header("upgrade", "websocket").header("sec-websocket-accept", "xyz").body(full("")).unwrap()
    })
    .await;
    proxy.put("1", &[server.address]).await;
    let mut sender = connect(proxy.listen).await;
    let request = Request::get("/chat").header("host", "x").header("connection", "keep-alive, Upgrade");
    let request = request.header("upgrade", "websocket").header("sec-websocket-key", "abc");
    let mut answer = sender.send_request(request.body(full("")).unwrap()).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["sec-websocket-accept"]),
        (101, &"xyz".parse().unwrap())
    );
    let mut socket = TokioIo::new(hyper::upgrade::on(&mut answer).await.unwrap());
    let mut echoed = async |text: &str| {
        socket.write_all(text.as_bytes()).await.unwrap();
        let mut buffer = vec![0; text.len()];
        timeout(SOON, socket.read_exact(&mut buffer)).await.unwrap().unwrap();
        assert_eq!(buffer, text.as_bytes());
    };
    echoed("hello").await;
    // A switch leaves it alone, and draining waits for it.
    let next = Server::saying("next").await;
    proxy.put("2", &[next.address]).await;
    assert_eq!(proxy.client.drained("app/dev/web", "1", Duration::from_millis(50)).await.unwrap(), 1);
    echoed("still there").await;
    drop(socket);
    assert_eq!(proxy.client.drained("app/dev/web", "1", SOON).await.unwrap(), 0);
}

#[tokio::test]
async fn a_client_that_expects_to_be_told_to_go_on_is() {
    let proxy = Proxy::start().await;
    let server = Server::http(|request: Request<_>| async move {
        assert!(!request.headers().contains_key("expect"));
        Response::new(full(request.into_body().collect().await.unwrap().to_bytes()))
    })
    .await;
    proxy.put("1", &[server.address]).await;
    let mut socket = TcpStream::connect(proxy.listen).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n";
    socket.write_all(head).await.unwrap();
    let mut told = [0; 25];
    timeout(SOON, socket.read_exact(&mut told)).await.unwrap().unwrap();
    assert_eq!(&told[..], b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"body").await.unwrap();
    let mut answer = vec![0; 4096];
    let count = timeout(SOON, socket.read(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn old_clients_and_pipelines_are_served() {
    let proxy = Proxy::start().await;
    let server = Server::http(|request: Request<_>| async move {
        let host = request.headers().get("host").map_or("none", |host| host.to_str().unwrap()).to_owned();
        Response::new(full(format!("{}|{host}|", request.uri())))
    })
    .await;
    proxy.put("1", &[server.address]).await;
    let answer = raw(proxy.listen, b"GET /old HTTP/1.0\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.0 200 OK") && answer.contains(&format!("/old|{}|", server.address)),
        "{answer}"
    );
    let two = b"GET /a HTTP/1.1\r\nhost: x\r\n\r\nGET /b HTTP/1.1\r\nhost: x\r\n\r\n";
    let answer = raw(proxy.listen, two).await;
    assert!(answer.contains("/a|x|") && answer.ends_with("/b|x|"), "{answer}");
    let mut sender = connect(proxy.listen).await;
    let request = Request::head("/").header("host", "x").body(full("")).unwrap();
    let answer = ask(&mut sender, request).await.unwrap();
    assert_eq!((answer.header("content-length"), answer.text.as_str()), ("4", ""));
}
