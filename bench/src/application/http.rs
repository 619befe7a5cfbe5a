//! Just enough HTTP/1.1 for a server whose clients are a proxy and the bench: heads without bodies.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

/// The largest head that is read.
const MAX_HEAD: usize = 64 * 1024;

/// A request's head.
pub(super) struct Head(String);

impl Head {
    /// The path with its query.
    pub(super) fn path(&self) -> &str {
        self.0.split(' ').nth(1).unwrap_or("/")
    }

    /// The value of a field; `name` in lower case.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.0.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Whether the connection ends after the answer.
    pub(super) fn closes(&self) -> bool {
        self.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// What arrived on a connection and was not read yet.
#[derive(Default)]
pub(super) struct Reader(Vec<u8>);

impl Reader {
    /// The next head; `None` when the client has closed.
    ///
    /// # Errors
    /// What the system says, and a head that is too large.
    pub(super) fn head(&mut self, connection: &mut TcpStream) -> io::Result<Option<Head>> {
        let mut piece = [0; 4096];
        loop {
            if let Some(end) = self.0.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.0.drain(..end + 4).collect();
                return Ok(Some(Head(String::from_utf8_lossy(&head).into_owned())));
            }
            if self.0.len() > MAX_HEAD {
                return Err(io::ErrorKind::InvalidData.into());
            }
            match connection.read(&mut piece)? {
                0 => return Ok(None),
                got => self.0.extend_from_slice(&piece[..got]),
            }
        }
    }
}

/// Writes a whole answer with a line of text.
pub(super) fn answer(connection: &mut TcpStream, status: u16, text: &str, head: &Head) -> io::Result<()> {
    let close = if head.closes() { "connection: close\r\n" } else { "" };
    let length = text.len() + 1;
    let answer = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: text/plain\r\n{close}content-length: {length}\r\n\r\n{text}\n"
    );
    connection.write_all(answer.as_bytes())
}
