//! Whom the proxy believes about where a request came from.

use hyper::{Request, Response};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{Proxy, Server, full, get, raw};

/// A server that says what it was told of the client.
async fn teller() -> Server {
    Server::http(|request: Request<_>| async move {
        let field = |name: &str| {
            let all: Vec<_> =
                request.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
            all.join("|")
        };
        let told = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"].map(field);
        Response::new(full(told.join(" ")))
    })
    .await
}

/// Fields, and how what the back end is told begins: from a trusted proxy and from anybody else.
type Case = (&'static [(&'static str, &'static str)], &'static str, &'static str);

#[tokio::test]
async fn trusted_proxies_are_believed_and_others_are_not() {
    let proxy = Proxy::start().await;
    let server = teller().await;
    let mut route = proxy.route("1", &[server.address]);
    let cases: [Case; 13] = [
        (&[], "127.0.0.1 http x for=127.0.0.1;host=\"x\";proto=http", ""),
        (
            &[
                ("x-forwarded-for", "1.1.1.1"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "real.example"),
            ],
            "1.1.1.1 https real.example for=1.1.1.1;host=\"real.example\";proto=https",
            "127.0.0.1 http x",
        ),
        // What stands before the last address that is not trusted may be made up.
        (&[("x-forwarded-for", "6.6.6.6, 1.1.1.1, 10.0.0.9")], "1.1.1.1 http", "127.0.0.1 http"),
        (&[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.1.1.1")], "1.1.1.1 http", "127.0.0.1 http"),
        (&[("x-forwarded-for", "10.0.0.8, 10.0.0.9")], "10.0.0.8 http", "127.0.0.1 http"),
        (&[("x-forwarded-for", "6.6.6.6, nonsense, 1.1.1.1")], "1.1.1.1 http", "127.0.0.1 http"),
        (&[("x-forwarded-for", "1.1.1.1, nonsense")], "127.0.0.1 http", "127.0.0.1 http"),
        (
            &[("forwarded", "for=6.6.6.6, for=\"[2001:db8::1]:55\";proto=https;host=f.example")],
            "2001:db8::1 https f.example for=\"[2001:db8::1]\"",
            "127.0.0.1 http x",
        ),
        // A proxy that ends TLS need not say whose connection it was.
        (&[("x-forwarded-proto", "https")], "127.0.0.1 https x", "127.0.0.1 http x"),
        (&[("x-forwarded-host", "real.example")], "127.0.0.1 http real.example", "127.0.0.1 http x"),
        // A proxy that writes the one field passes on the other, which is the client's own.
        (
            &[("x-forwarded-for", "1.2.3.4"), ("forwarded", "for=6.6.6.6;proto=https;host=f.example")],
            "1.2.3.4 http x ",
            "127.0.0.1 http x",
        ),
        (&[("x-forwarded-for", "1.2.3.4, unknown"), ("forwarded", "for=6.6.6.6")], "127.0.0.1 http x", ""),
        (&[("x-forwarded-proto", "https"), ("forwarded", "for=1.2.3.4;proto=http")], "1.2.3.4 https x", ""),
    ];
    for trusted in [true, false] {
        route.http.trusted = match trusted {
            true => vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
            false => vec!["192.168.0.0/16".parse().unwrap()],
        };
        proxy.client.put_route(&route).await.unwrap();
        for (fields, believed, not) in &cases {
            let fields = [&[("host", "x")], *fields].concat();
            let told = get(proxy.listen, "/", &fields).await.text;
            let want = if trusted { believed } else { not };
            assert!(told.starts_with(want), "{fields:?}, trusted: {trusted}: {told}");
        }
    }
}

#[tokio::test]
async fn the_proxy_protocol_is_taken_from_trusted_proxies_only() {
    let proxy = Proxy::start().await;
    let server = teller().await;
    let mut route = proxy.route("1", &[server.address]);
    route.http.proxy_protocol = true;
    route.http.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    proxy.client.put_route(&route).await.unwrap();
    let get = "GET / HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 6.6.6.6\r\nconnection: close\r\n\r\n";
    let signature = b"\r\n\r\n\0\r\nQUIT\n";
    let four = [&signature[..], b"\x21\x11\0\x0f\x01\x02\x03\x04\x05\x06\x07\x08\0\x50\x01\xbbxyz"].concat();
    let local = [&signature[..], b"\x20\0\0\0"].concat();
    let cases: [(&[u8], Option<&str>); 9] = [
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 56324 443\r\n", Some("1.2.3.4 ")),
        (b"PROXY TCP6 2001:db8::1 ::1 5 6\r\n", Some("2001:db8::1 ")),
        // Its client's fields are the client's own, even where that is one that would be trusted.
        (b"PROXY TCP4 127.0.0.9 5.6.7.8 1 2\r\n", Some("127.0.0.9 ")),
        // The proxy itself asks; it is trusted, and so is what it says in the fields.
        (b"PROXY UNKNOWN\r\n", Some("6.6.6.6 ")),
        (&four, Some("1.2.3.4 ")),
        (&local, Some("6.6.6.6 ")),
        (b"", None),
        (b"PROXY TCP4 nonsense\r\n", None),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2", None),
    ];
    for (preamble, want) in cases {
        let answer = raw(proxy.listen, &[preamble, get.as_bytes()].concat()).await;
        let shown = String::from_utf8_lossy(preamble);
        match want {
            Some(want) => assert!(answer.contains(&format!("\r\n\r\n{want}")), "{shown:?}: {answer}"),
            None => assert_eq!(answer, "", "{shown:?}"),
        }
    }
    // In pieces, with the request in the last one.
    let mut socket = TcpStream::connect(proxy.listen).await.unwrap();
    socket.set_nodelay(true).unwrap();
    for piece in [&b"PROXY TCP4 1.2.3.4 5"[..], b".6.7.8 1 2\r", b"\n", get.as_bytes()] {
        socket.write_all(piece).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut socket, &mut answer).await.unwrap();
    assert!(answer.contains("\r\n\r\n1.2.3.4 "), "{answer}");
    // Nobody here is trusted: what they say is a request that makes no sense.
    route.http.trusted = vec!["192.168.0.0/16".parse().unwrap()];
    proxy.client.put_route(&route).await.unwrap();
    let answer = raw(proxy.listen, format!("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n{get}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(raw(proxy.listen, get.as_bytes()).await.contains("\r\n\r\n127.0.0.1 "));
}

#[tokio::test]
async fn each_route_believes_its_own_proxies_alone() {
    let proxy = Proxy::start().await;
    let server = teller().await;
    let mut route = proxy.route("1", &[server.address]);
    for (id, host, trusted) in
        [("first/dev/web", "first.example", "10.9.9.9"), ("second/dev/web", "second.example", "127.0.0.0/8")]
    {
        (route.id, route.host) = (id.to_owned(), host.to_owned());
        route.http.proxy_protocol = true;
        route.http.trusted = vec![trusted.parse().unwrap()];
        proxy.client.put_route(&route).await.unwrap();
    }
    let fields = "x-forwarded-for: 8.8.8.8\r\nx-forwarded-proto: https\r\nconnection: close\r\n\r\n";
    for (told, host, want) in [
        ("6.6.6.6", "first.example", "127.0.0.1 http "),
        ("10.9.9.9", "first.example", "127.0.0.1 http "),
        ("6.6.6.6", "second.example", "6.6.6.6 http "),
        ("10.9.9.9", "second.example", "10.9.9.9 http "),
    ] {
        let request = format!("PROXY TCP4 {told} 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\nhost: {host}\r\n{fields}");
        let answer = raw(proxy.listen, request.as_bytes()).await;
        assert!(answer.contains(&format!("\r\n\r\n{want}")), "{told} to {host}: {answer}");
    }
}
