//! Reads one large answer as fast as it comes and throws it away.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// What one read takes at most.
const PIECE: usize = 256 * 1024;

/// The longest silence.
const SILENCE: Duration = Duration::from_secs(30);

/// Asks for a path, reads the whole body and gives its length and the time from the connection to its end.
///
/// # Errors
/// What the system says; another status than 200.
pub(crate) fn download(address: &str, path: &str) -> io::Result<(u64, Duration)> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SILENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut piece = vec![0; PIECE];
    let mut filled = 0;
    let body_begins = loop {
        let got = stream.read(&mut piece[filled..])?;
        filled += got;
        if let Some(at) = piece[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    if !piece.starts_with(b"HTTP/1.1 200 ") {
        return Err(io::Error::other(String::from_utf8_lossy(&piece[..body_begins]).into_owned()));
    }
    let mut body = (filled - body_begins) as u64;
    loop {
        match stream.read(&mut piece)? {
            0 => return Ok((body, begun.elapsed())),
            got => body += got as u64,
        }
    }
}
