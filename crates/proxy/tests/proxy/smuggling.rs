//! Known attacks on how requests are read, each with the answer and with exactly what the back end sees of it.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Proxy, Server, raw};

/// What comes of an attack.
enum Want {
    /// This status, a closed connection, and nothing at the back end.
    Refused(u16),
    /// An answer of the back end, which saw these lines first and those fields not at all.
    Passed { first: &'static [&'static str], never: &'static [&'static str] },
}

use Want::{Passed, Refused};

/// A server that keeps all it reads and answers each head with `ok`.
async fn recorder() -> (Server, Arc<Mutex<Vec<u8>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let server = Server::raw(move |mut socket, _| {
        let kept = Arc::clone(&kept);
        async move {
            let mut buffer = [0; 65536];
            let mut own = Vec::new();
            while let Ok(count) = socket.read(&mut buffer).await
                && count > 0
            {
                own.extend_from_slice(&buffer[..count]);
                kept.lock().unwrap().extend_from_slice(&buffer[..count]);
                while let Some(end) = own.windows(4).position(|part| part == b"\r\n\r\n") {
                    own.drain(..end + 4);
                    let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                }
            }
        }
    })
    .await;
    (server, seen)
}

const X: &str = "Host: x\r\n";
/// What must never be a request of its own.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

/// A name, the request, and what comes of it.
type Attack = (&'static str, String, Want);

fn post(fields: &str, rest: &str) -> String {
    format!("POST /first HTTP/1.1\r\nHost: x\r\n{fields}\r\n{rest}{SMUGGLED}")
}

fn plain(line: &str, fields: &str) -> String {
    format!("{line}\r\n{fields}\r\n")
}

fn te(value: &str) -> String {
    post(&format!("Transfer-Encoding:{value}\r\n"), "0\r\n\r\n")
}

fn cl(value: &str) -> String {
    post(&format!("Content-Length:{value}\r\n"), "hello")
}

fn chunks(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

/// Two framings, or one that two readers understand differently (RFC 9112, section 6).
fn framings() -> Vec<Attack> {
    vec![
        ("CL.TE", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), Refused(400)),
        ("TE.CL", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), Refused(400)),
        (
            "CL.TE of no length",
            post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            Refused(400),
        ),
        ("CL.CL", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), Refused(400)),
        ("the same length twice", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), Refused(400)),
        ("a list of lengths", cl(" 5, 5"), Refused(400)),
        ("a signed length", cl(" +5"), Refused(400)),
        ("a negative length", cl(" -5"), Refused(400)),
        ("a hexadecimal length", cl(" 0x5"), Refused(400)),
        ("a length with a point", cl(" 5.0"), Refused(400)),
        ("an empty length", cl(" "), Refused(400)),
        ("a length over 64 bits", cl(" 18446744073709551621"), Refused(400)),
        ("a length with a vertical tab", cl(" \x0b5"), Refused(400)),
        ("xchunked", te(" xchunked"), Refused(400)),
        ("chunked and more", te(" chunked, identity"), Refused(400)),
        ("chunked twice in one", te(" chunked, chunked"), Refused(400)),
        ("chunked in quotes", te(" \"chunked\""), Refused(400)),
        ("chunked with a parameter", te(" chunked;q=1"), Refused(400)),
        ("identity", te(" identity"), Refused(400)),
        ("an empty coding", te(""), Refused(400)),
        ("a vertical tab before chunked", te("\x0bchunked"), Refused(400)),
        ("a form feed before chunked", te(" \x0cchunked"), Refused(400)),
        ("a zero behind chunked", te(" chunked\0"), Refused(400)),
        ("another coding first", te(" gzip, chunked"), Refused(501)),
        (
            "two codings",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            Refused(400),
        ),
        (
            "a coding in HTTP/1.0",
            format!("POST / HTTP/1.0\r\n{X}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"),
            Refused(400),
        ),
    ]
}

/// Lines that end or begin in more than one way.
fn lines() -> Vec<Attack> {
    vec![
        ("a space before the colon", post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), Refused(400)),
        ("a tab before the colon", post("Content-Length\t: 5\r\n", "hello"), Refused(400)),
        ("a folded value", post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), Refused(400)),
        ("a folded first field", plain("GET / HTTP/1.1", " X: y\r\nHost: x\r\n"), Refused(400)),
        ("a bare line feed", post("X: y\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), Refused(400)),
        ("a head that ends in line feeds", format!("GET / HTTP/1.1\n{}\n", "Host: x\n"), Refused(400)),
        ("a bare return in a value", post("X: y\rContent-Length: 5\r\n", "hello"), Refused(400)),
        ("a return before the line end", post("X: y\r\r\n", ""), Refused(400)),
        ("a zero in a value", post("X: a\0b\r\n", ""), Refused(400)),
        ("a control byte in a value", post("X: a\x01b\r\n", ""), Refused(400)),
        ("a zero in a name", post("X\0: a\r\n", ""), Refused(400)),
        ("no name", post(": a\r\n", ""), Refused(400)),
        ("no colon", post("nonsense\r\n", ""), Refused(400)),
    ]
}

/// Whom the request is for.
fn hosts() -> Vec<Attack> {
    vec![
        ("no host", plain("GET / HTTP/1.1", ""), Refused(400)),
        ("two hosts", plain("GET / HTTP/1.1", "Host: x\r\nHost: y\r\n"), Refused(400)),
        ("a host with a user", plain("GET / HTTP/1.1", "Host: u@x\r\n"), Refused(400)),
        ("a host with a path", plain("GET / HTTP/1.1", "Host: x/y\r\n"), Refused(400)),
        ("a host with a space", plain("GET / HTTP/1.1", "Host: x y\r\n"), Refused(400)),
        ("a host with a port that is none", plain("GET / HTTP/1.1", "Host: x:y.example\r\n"), Refused(400)),
        ("a user in the target", plain("GET http://u@x/ HTTP/1.1", X), Refused(400)),
        ("another scheme", plain("GET ftp://x/ HTTP/1.1", X), Refused(400)),
        (
            "the target overrides the host",
            plain("GET http://real.example/a HTTP/1.1", "Host: other.example\r\n"),
            Passed { first: &["GET /a HTTP/1.1", "host: real.example"], never: &["host: other"] },
        ),
    ]
}

/// The first line.
fn first_lines() -> Vec<Attack> {
    vec![
        ("HTTP/0.9", "GET /\r\n\r\n".to_owned(), Refused(400)),
        ("two spaces", plain("GET  / HTTP/1.1", X), Refused(400)),
        ("a space in the target", plain("GET /a b HTTP/1.1", X), Refused(400)),
        ("a fragment", plain("GET /a#b HTTP/1.1", X), Refused(400)),
        ("a zero in the target", plain("GET /a\0b HTTP/1.1", X), Refused(400)),
        ("no path", plain("GET a HTTP/1.1", X), Refused(400)),
        ("a method that is none", plain("G(T / HTTP/1.1", X), Refused(400)),
        ("a method of a kilobyte", plain(&format!("{} / HTTP/1.1", "A".repeat(1024)), X), Refused(400)),
        ("HTTP/2 in a first line", plain("GET / HTTP/2.0", X), Refused(505)),
        ("HTTP/1.2", plain("GET / HTTP/1.2", X), Refused(505)),
        ("TLS on a plain port", "\x16\x03\x01\x02\r\n\r\n".to_owned(), Refused(400)),
        ("a tunnel", plain("CONNECT x:443 HTTP/1.1", "Host: x:443\r\n"), Refused(405)),
        ("a target of 20 kB", plain(&format!("GET /{} HTTP/1.1", "a".repeat(20_000)), X), Refused(414)),
        (
            "a head of 70 kB",
            plain("GET / HTTP/1.1", &format!("{X}X: {}\r\n", "a".repeat(70_000))),
            Refused(431),
        ),
        ("120 fields", plain("GET / HTTP/1.1", &format!("{X}{}", "X: a\r\n".repeat(120))), Refused(431)),
        (
            "an expectation",
            plain("POST / HTTP/1.1", &format!("{X}Expect: coffee\r\nContent-Length: 1\r\n")),
            Refused(417),
        ),
    ]
}

/// Chunks.
fn chunked() -> Vec<Attack> {
    vec![
        ("a size that is none", chunks("xyz\r\nhello\r\n"), Refused(400)),
        ("a negative size", chunks("-5\r\nhello\r\n"), Refused(400)),
        ("a size with a prefix", chunks("0x5\r\nhello\r\n"), Refused(400)),
        ("a size behind a space", chunks(" 5\r\nhello\r\n"), Refused(400)),
        ("a size before a space", chunks("5 \r\nhello\r\n"), Refused(400)),
        ("a size over 64 bits", chunks("10000000000000005\r\nhello\r\n"), Refused(400)),
        ("a size that ends in a line feed", chunks("5\nhello\r\n0\r\n\r\n"), Refused(400)),
        ("a size that ends in a return", chunks("5\rhello\r\n0\r\n\r\n"), Refused(400)),
        ("a line feed in an extension", chunks("5;a\nb\r\nhello\r\n0\r\n\r\n"), Refused(400)),
        ("an extension of a kilobyte", chunks(&format!("5;{}\r\nhello\r\n", "a".repeat(1024))), Refused(400)),
        ("a chunk longer than it says", chunks("5\r\nhello!\r\n0\r\n\r\n"), Refused(400)),
        ("a chunk that ends in a line feed", chunks("5\r\nhello\n0\r\n\r\n"), Refused(400)),
        ("a length in the trailers", chunks("0\r\nContent-Length: 5\r\n\r\n"), Refused(400)),
        ("a coding in the trailers", chunks("0\r\nTransfer-Encoding: chunked\r\n\r\n"), Refused(400)),
        ("a host in the trailers", chunks("0\r\nHost: y\r\n\r\n"), Refused(400)),
        ("a cookie in the trailers", chunks("0\r\nCookie: a=b\r\n\r\n"), Refused(400)),
    ]
}

/// What passes, in the only form that is safe.
fn passing() -> Vec<Attack> {
    vec![
        (
            "a length with zeros before it",
            format!("POST /z HTTP/1.1\r\n{X}Content-Length: 0002\r\nConnection: close\r\n\r\nhi"),
            Passed { first: &["POST /z HTTP/1.1", "host: x"], never: &["ength: 0002"] },
        ),
        (
            "chunk extensions",
            format!(
                "POST /e HTTP/1.1\r\n{X}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2;secret=1\r\nhi\r\n0\r\n\r\n"
            ),
            Passed { first: &["POST /e HTTP/1.1", "host: x"], never: &["secret"] },
        ),
        (
            "framing that is named as hop by hop",
            format!(
                "POST /c HTTP/1.1\r\n{X}Content-Length: 2\r\nConnection: close, content-length, host, x-a\r\nX-A: 1\r\n\r\nhi"
            ),
            Passed { first: &["POST /c HTTP/1.1", "host: x"], never: &["x-a: 1", "X-A: 1", "close"] },
        ),
        (
            "claims about the origin",
            format!(
                "GET /o HTTP/1.1\r\n{X}X_Forwarded_For: 6.6.6.6\r\nX-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n\
                 Forwarded: for=6.6.6.6\r\nX-Forwarded_Proto: https\r\nX-Landfall-Probe: guess\r\nConnection: close\r\n\r\n"
            ),
            Passed { first: &["GET /o HTTP/1.1", "host: x"], never: &["6.6.6.6", "https", "guess", "Probe"] },
        ),
        (
            "an upgrade to HTTP/2, which would be a tunnel past the proxy",
            format!(
                "GET /h HTTP/1.1\r\n{X}Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n\
                 HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
            ),
            Passed { first: &["GET /h HTTP/1.1", "host: x"], never: &["h2c", "HTTP2-Settings", "pgrade"] },
        ),
        (
            "an upgrade without a connection option",
            format!("GET /u HTTP/1.1\r\n{X}Upgrade: h2c\r\nHTTP2-Settings: a\r\nConnection: close\r\n\r\n"),
            Passed { first: &["GET /u HTTP/1.1", "host: x"], never: &["h2c", "HTTP2-Settings"] },
        ),
        (
            "white space around a value",
            format!("GET /w HTTP/1.1\r\n{X}X:\t a \t\r\nConnection: close\r\n\r\n"),
            Passed { first: &["GET /w HTTP/1.1", "host: x", "X: a"], never: &["\t"] },
        ),
        (
            "an empty line before the request",
            format!("\r\nGET /b HTTP/1.1\r\n{X}Connection: close\r\n\r\n"),
            Passed { first: &["GET /b HTTP/1.1", "host: x"], never: &[] },
        ),
        ("two empty lines before the request", format!("\r\n\r\nGET / HTTP/1.1\r\n{X}\r\n"), Refused(400)),
    ]
}

fn attacks() -> Vec<Attack> {
    [framings(), lines(), hosts(), first_lines(), chunked(), passing()].into_iter().flatten().collect()
}

#[tokio::test]
async fn known_attacks_get_the_answer_they_should_and_nothing_further() {
    let proxy = Proxy::start().await;
    for pipelined in [false, true] {
        for (name, request, want) in attacks() {
            let (server, seen) = recorder().await;
            proxy.put("1", &[server.address]).await;
            // The same behind an honest request on the same connection.
            let before = "GET /honest HTTP/1.1\r\nHost: x\r\n\r\n";
            let bytes = if pipelined { format!("{before}{request}") } else { request };
            let answer = raw(proxy.listen, bytes.as_bytes()).await;
            let saw = String::from_utf8_lossy(&seen.lock().unwrap()).into_owned();
            let context = format!("{name}, pipelined: {pipelined}\nanswer: {answer}\nback end: {saw}");
            let (answer, saw) = if pipelined {
                assert!(saw.starts_with("GET /honest HTTP/1.1\r\n"), "{context}");
                let end = saw.find("\r\n\r\n").unwrap() + 4;
                let (honest, rest) = answer.split_once("\r\n\r\nok").unwrap_or_else(|| panic!("{context}"));
                assert!(honest.starts_with("HTTP/1.1 200 "), "{context}");
                (rest.to_owned(), saw[end..].to_owned())
            } else {
                (answer, saw)
            };
            assert!(!saw.contains("smuggled") && !saw.contains("hello"), "{context}");
            match want {
                Refused(status) => {
                    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{context}");
                    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{context}");
                    assert_eq!(saw, "", "{context}");
                }
                Passed { first, never } => {
                    assert!(answer.starts_with("HTTP/1.1 200 "), "{context}");
                    assert_eq!(saw.lines().take(first.len()).collect::<Vec<_>>(), first, "{context}");
                    assert!(never.iter().all(|never| !saw.contains(never)), "{context}");
                }
            }
        }
    }
}

#[tokio::test]
async fn bodies_go_on_in_one_plain_form() {
    let proxy = Proxy::start().await;
    let (server, seen) = recorder().await;
    proxy.put("1", &[server.address]).await;
    let request = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: CHUNKED\r\nTrailer: X-Sum\r\nConnection: close\r\n\r\n\
                   0003 ;a=b\r\nabc\r\n00A\r\n0123456789\r\n0\r\nX-Sum:  42 \r\n\r\n";
    let answer = raw(proxy.listen, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let saw = String::from_utf8_lossy(&seen.lock().unwrap()).into_owned();
    let (head, body) = saw.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains("\r\ntransfer-encoding: chunked") && head.contains("\r\nTrailer: X-Sum\r\n"),
        "{saw}"
    );
    assert_eq!(body, "3\r\nabc\r\na\r\n0123456789\r\n0\r\nX-Sum: 42\r\n\r\n");
}
