//! Clients that speak HTTP/2 frame by frame and want too much (RFC 9113, section 10.5): the limits hold, memory stays what
//! it was, and others are served.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Proxy, SOON, Server, get, until};

const ID: &str = "app/dev/web";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The types of frames (RFC 9113, section 6).
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
/// Flags of `HEADERS`.
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The most memory that a flood may take.
const MOST_MEMORY: u64 = 8 * 1024 * 1024;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `GET http://x/`, in HPACK (RFC 7541): three entries of the static table, and the authority in letters.
fn head() -> Vec<u8> {
    [&[0x82, 0x84, 0x86, 0x41, 1][..], b"x"].concat()
}

/// A field that is not kept in the table: its name, and a value of so many letters, fewer than 127.
fn field(name: &[u8], value: u8) -> Vec<u8> {
    let mut field = vec![0x00, u8::try_from(name.len()).unwrap()];
    field.extend(name);
    field.push(value);
    field.extend(std::iter::repeat_n(b'a', value.into()));
    field
}

/// A connection that has said hello.
async fn hello(proxy: &Proxy) -> TcpStream {
    let mut socket = TcpStream::connect(proxy.listen).await.unwrap();
    socket.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
    socket
}

/// The next frame: its type, its stream and its payload; `None` when the connection is over.
async fn next(socket: &mut TcpStream) -> Option<(u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    timeout(SOON, socket.read_exact(&mut head)).await.expect("a frame in time").ok()?;
    let [a, b, c, kind, _, stream @ ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    socket.read_exact(&mut payload).await.ok()?;
    Some((kind, u32::from_be_bytes(stream), payload))
}

/// Writes until the other side takes nothing for a second, or has closed; gives how often.
async fn pour(socket: &mut TcpStream, bytes: &[u8], most: usize) -> usize {
    let mut count = 0;
    while count < most
        && let Ok(Ok(())) = timeout(Duration::from_secs(1), socket.write_all(bytes)).await
    {
        count += 1;
    }
    count
}

async fn memory(proxy: &Proxy) -> u64 {
    proxy.client.status().await.unwrap().memory.unwrap()
}

#[tokio::test]
async fn more_streams_than_offered_are_refused() {
    const OFFERED: u32 = 128;
    let proxy = Proxy::start().await;
    let (server, _) = Server::silent().await;
    proxy.put("1", &[server.address]).await;
    let mut socket = hello(&proxy).await;
    let request = |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &head());
    let requests: Vec<u8> = (0..OFFERED + 50).flat_map(|number| request(2 * number + 1)).collect();
    socket.write_all(&requests).await.unwrap();
    let mut refused = Vec::new();
    while refused.len() < 50 {
        match next(&mut socket).await.expect("the connection stays") {
            (RST_STREAM, stream, code) => {
                assert_eq!(code, [0, 0, 0, 7], "it says REFUSED_STREAM: it is safe to try again");
                refused.push(stream);
            }
            (SETTINGS, _, payload) => {
                for setting in payload.chunks(6).filter(|setting| setting[1] == 3) {
                    assert_eq!(setting[2..], OFFERED.to_be_bytes());
                }
            }
            _ => {}
        }
    }
    assert!(refused.iter().all(|stream| *stream > 2 * (OFFERED - 1)), "{refused:?}");
    let under_way = async || proxy.client.drained(ID, "1", Duration::ZERO).await.unwrap();
    until("all others are under way", async || under_way().await == u64::from(OFFERED)).await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let proxy = Proxy::start().await;
    let server = Server::saying("ok").await;
    proxy.put("1", &[server.address]).await;
    let mut socket = hello(&proxy).await;
    // 70 kB in frames that are none too large.
    let part: Vec<u8> = (0..100).flat_map(|_| field(b"x-a", 120)).collect();
    let mut bytes = frame(HEADERS, END_STREAM, 1, &head());
    (0..6).for_each(|number| {
        bytes.extend(frame(CONTINUATION, if number == 5 { END_HEADERS } else { 0 }, 1, &part));
    });
    socket.write_all(&bytes).await.unwrap();
    loop {
        match next(&mut socket).await {
            // The status stands in HPACK's first byte, or behind the index of `:status`.
            Some((HEADERS, 1, payload)) => {
                assert!(payload.windows(3).any(|three| three == b"431") || payload[0] == 0x48, "{payload:?}");
                break;
            }
            Some((RST_STREAM, 1, _) | (GOAWAY, ..)) | None => break,
            Some(_) => {}
        }
    }
    assert_eq!(server.connections.load(std::sync::atomic::Ordering::SeqCst), 0, "it went on");
    assert_eq!(get(proxy.listen, "/", &[]).await.text, "ok");
}

#[tokio::test]
async fn a_head_without_an_end_is_cut_off() {
    let proxy = Proxy::start().await;
    let server = Server::saying("ok").await;
    proxy.put("1", &[server.address]).await;
    let before = memory(&proxy).await;
    let mut socket = hello(&proxy).await;
    socket.write_all(&frame(HEADERS, END_STREAM, 1, &head())).await.unwrap();
    let part: Vec<u8> = (0..100).flat_map(|_| field(b"x-a", 120)).collect();
    let poured = pour(&mut socket, &frame(CONTINUATION, 0, 1, &part), 100_000).await;
    assert!(poured < 100_000, "a gigabyte of one head was taken");
    let grown = memory(&proxy).await.saturating_sub(before);
    assert!(grown < MOST_MEMORY, "{grown} bytes of memory for {poured} frames");
    assert_eq!(get(proxy.listen, "/", &[]).await.text, "ok");
}

#[tokio::test]
async fn who_only_wants_to_be_answered_fills_no_memory() {
    let proxy = Proxy::start().await;
    let server = Server::saying("ok").await;
    proxy.put("1", &[server.address]).await;
    let before = memory(&proxy).await;
    // Each is to be answered; nobody reads the answers.
    for (name, one) in [("pings", frame(PING, 0, 0, &[0; 8])), ("settings", frame(SETTINGS, 0, 0, &[]))] {
        let mut socket = hello(&proxy).await;
        let poured = pour(&mut socket, &one.repeat(1000), 20_000).await;
        let grown = memory(&proxy).await.saturating_sub(before);
        assert!(grown < MOST_MEMORY, "{grown} bytes of memory for {poured} thousand {name}");
        assert_eq!(get(proxy.listen, "/", &[]).await.text, "ok");
    }
}
