//! Requests that are meant to be understood in two ways, and those that are too much.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Proxy, Server, raw};

/// A server that answers every head it sees with all the bytes that came with it.
async fn mirror() -> Server {
    Server::raw(|mut socket, _| async move {
        let mut buffer = [0; 65536];
        while let Ok(count) = socket.read(&mut buffer).await
            && count > 0
        {
            let seen = String::from_utf8_lossy(&buffer[..count]).into_owned();
            let seen = format!("SEEN {seen} END");
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{seen}", seen.len());
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await
}

#[tokio::test]
async fn smuggled_requests_are_refused() {
    let proxy = Proxy::start().await;
    let server = mirror().await;
    proxy.put("1", &[server.address]).await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let cases = [
        ("length and coding", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("coding and length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
        ("two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
        ("a list of lengths", "Content-Length: 5, 6\r\n\r\nhello", 400),
        ("a signed length", "Content-Length: +5\r\n\r\nhello", 400),
        ("a hexadecimal length", "Content-Length: 0x5\r\n\r\nhello", 400),
        ("a negative length", "Content-Length: -1\r\n\r\nhello", 400),
        ("a huge length", "Content-Length: 99999999999999999999\r\n\r\nhello", 400),
        ("an unknown coding", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
        ("chunked is not last", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
        ("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("another coding first", "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        ("a space before the colon", "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
        ("a folded line", "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
        ("a zero in a value", "X: a\0b\r\n\r\n", 400),
        ("a bare return in a value", "X: a\rContent-Length: 5\r\n\r\n", 400),
        ("two hosts", "Host: y\r\n\r\n", 400),
        ("a line without a colon", "nonsense\r\n\r\n", 400),
    ];
    for (what, rest, status) in cases {
        let request = format!("POST /first HTTP/1.1\r\nHost: x\r\n{rest}{smuggled}");
        let answer = raw(proxy.listen, request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer}");
        assert!(!answer.contains("/smuggled"), "{what}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{what}: {answer}");
    }
}

#[tokio::test]
async fn malformed_requests_are_refused() {
    let proxy = Proxy::start().await;
    let server = mirror().await;
    proxy.put("1", &[server.address]).await;
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(70_000));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: a\r\n".repeat(120));
    let cases = [
        ("no host", "GET / HTTP/1.1\r\n\r\n", 400),
        ("a host with a path", "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", 400),
        ("a host with a user", "GET / HTTP/1.1\r\nHost: u@x\r\n\r\n", 400),
        ("no path", "GET x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("a tunnel", "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", 405),
        ("nonsense", "\x16\x03\x01\x02\r\n\r\n", 400),
        ("a long field", &long, 431),
        ("many fields", &many, 431),
        ("coding in an old request", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ];
    for (what, request, status) in cases {
        let answer = raw(proxy.listen, request.as_bytes()).await;
        let code = answer.get(9..12).unwrap_or_default();
        assert_eq!(code, status.to_string(), "{what}: {}", answer.get(..300).unwrap_or(&answer));
        assert!(!answer.contains("SEEN"), "{what}");
    }
    assert_eq!(server.connections.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_chunk_that_lies_goes_no_further() {
    let proxy = Proxy::start().await;
    let server = mirror().await;
    proxy.put("1", &[server.address]).await;
    for chunk in
        ["xyz\r\nhello\r\n0\r\n\r\n", "-5\r\nhello\r\n", "FFFFFFFFFFFFFFFFFF\r\nhello\r\n", "5\rhello\r\n"]
    {
        let request = format!("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}");
        let answer = raw(proxy.listen, request.as_bytes()).await;
        assert!(!answer.contains("hello"), "{chunk:?}: {answer}");
    }
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let proxy = Proxy::start().await;
    let server = mirror().await;
    proxy.put("1", &[server.address]).await;
    let mut socket = tokio::net::TcpStream::connect(proxy.listen).await.unwrap();
    let began = std::time::Instant::now();
    let mut buffer = [0; 100];
    // A byte now and then does not help.
    loop {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "it is still open");
        let sent = socket.write_all(b"G").await;
        let read = tokio::time::timeout(std::time::Duration::from_secs(1), socket.read(&mut buffer)).await;
        if sent.is_err() || matches!(read, Ok(Ok(0) | Err(_))) {
            break;
        }
    }
    assert!(began.elapsed() > std::time::Duration::from_secs(10), "it was cut off too soon");
}
