//! One plain HTTP request, for tests that want to see an answer and nothing else.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// The longest an answer may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Status line and fields, as they came.
    pub head: String,
    /// The body, as it came: a chunked one still has its chunk sizes.
    pub body: String,
}

/// Asks for a path with GET over a connection of its own.
///
/// # Errors
/// Nobody listens, no answer within 20 s, or what is no HTTP.
pub fn ask(address: &str, host: &str, path: &str) -> io::Result<Answer> {
    ask_with(address, host, path, "")
}

/// The same as a browser asks: it wants a page.
///
/// # Errors
/// As [`ask`].
pub fn ask_for_page(address: &str, host: &str, path: &str) -> io::Result<Answer> {
    ask_with(address, host, path, "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n")
}

/// The same with more fields, each ended by CR LF.
///
/// # Errors
/// As [`ask`].
pub fn ask_with(address: &str, host: &str, path: &str, fields: &str) -> io::Result<Answer> {
    send(address, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n"))
}

/// Sends JSON with POST.
///
/// # Errors
/// As [`ask`].
pub fn post_json(address: &str, host: &str, path: &str, json: &str) -> io::Result<Answer> {
    let length = json.len();
    send(
        address,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{json}"
        ),
    )
}

fn send(address: &str, request: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, format!("no HTTP: {text:?}"));
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(wrong)?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or_else(wrong)?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}
