//! The side of the proxy that takes over.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::task::spawn_blocking;

use super::messages::{FORMAT, MAX_MESSAGE, Offer, Word, expect, receive, receive_descriptors, say};
use crate::Error;
use crate::report::Report;

/// For each answer of the old proxy.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest head of an answer on the control socket, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// What was handed over; dropping it before [`finish`] leaves the old proxy serving as before.
pub(crate) struct Taken {
    pub(crate) offer: Offer,
    pub(crate) lock: File,
    pub(crate) control: UnixListener,
    pub(crate) listeners: Vec<(SocketAddr, Vec<TcpListener>)>,
    pub(crate) stream: UnixStream,
}

/// Asks the proxy on `control` for all that it has; `None` when there is none.
///
/// # Errors
/// That it does not hand over, and why; it then serves as before.
pub(crate) fn take(control: &Path) -> Result<Option<Taken>, Error> {
    let stream = match UnixStream::connect(control) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(Error::Takeover { why: error.to_string() }),
    };
    exchange(stream).map(Some).map_err(|error| Error::Takeover { why: error.to_string() })
}

fn exchange(stream: UnixStream) -> io::Result<Taken> {
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    (&stream).write_all(
        b"POST /v1/handover HTTP/1.1\r\nhost: proxy\r\nconnection: upgrade\r\n\
          upgrade: landfall-handover\r\ncontent-length: 0\r\n\r\n",
    )?;
    changed(&stream)?;
    let offer: Offer = receive(&stream)?;
    if offer.format > FORMAT {
        return Err(io::Error::other(format!("it is newer: its offer has format {}", offer.format)));
    }
    let sockets: usize = offer.listeners.iter().map(|(_, count)| count).sum();
    let mut descriptors = receive_descriptors(&stream, sockets + 2)?.into_iter();
    let mut next = || descriptors.next().ok_or(io::ErrorKind::InvalidData);
    let (lock, control) = (File::from(next()?), UnixListener::from(next()?));
    let mut listeners = Vec::new();
    for (address, count) in &offer.listeners {
        let sockets = (0..*count).map(|_| next().map(TcpListener::from)).collect::<Result<_, _>>()?;
        listeners.push((*address, sockets));
    }
    Ok(Taken { offer, lock, control, listeners, stream })
}

/// Reads the head of the answer, byte by byte: what follows it is no HTTP.
fn changed(mut stream: &UnixStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if head.len() >= MAX_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        stream.read_exact(&mut byte)?;
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8_lossy(&head);
    let line = head.lines().next().unwrap_or_default();
    if line.starts_with("HTTP/1.1 101 ") {
        return Ok(());
    }
    Err(io::Error::other(match line.split(' ').nth(1) {
        Some("404") => "it is of a Landfall that cannot hand over".to_owned(),
        Some("409") => "it is handing over to another already, or cannot".to_owned(),
        _ => format!("it answered `{line}`"),
    }))
}

/// Says that everything is there, waits until the old proxy accepts no more, and says that this one does. Gives the
/// connection back.
///
/// # Errors
/// That the old one goes on after all, and has not let go of anything.
pub(crate) async fn finish(stream: UnixStream) -> Result<UnixStream, Error> {
    let finished = spawn_blocking(move || {
        say(&stream, Word::Ready)?;
        expect(&stream, Word::Go)?;
        // Accepting comes after it: should the old one have lost its patience, only one of both may.
        say(&stream, Word::Serving)?;
        Ok(stream)
    })
    .await;
    let finished = finished.map_err(io::Error::other).flatten();
    finished.map_err(|error| Error::Takeover { why: error.to_string() })
}

/// Waits, for as long as the old proxy lives, for its last report; `None` when it died without one.
pub(crate) async fn last_report(stream: UnixStream) -> Option<Report> {
    stream.set_nonblocking(true).ok()?;
    let mut message = Vec::new();
    let stream = tokio::net::UnixStream::from_std(stream).ok()?;
    stream.take(MAX_MESSAGE.into()).read_to_end(&mut message).await.ok()?;
    // Its length is in four bytes before it.
    serde_json::from_slice(message.get(4..)?).ok()
}
