//! Heads from the form of HTTP/2 to that of HTTP/1.1 and back.

use std::io;

use http::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Request, Response};

/// What comes of a request's head.
pub(crate) enum Written {
    /// The head is complete.
    Plain,
    /// It is complete, and asks for a tunnel (RFC 8441).
    Tunnel,
}

/// Writes the head of a request as HTTP/1.1 has it. `end` says that no body follows.
///
/// # Errors
/// When it has no such form: two hosts that differ, a target that is none.
pub(crate) fn request(
    request: &Request<()>,
    end: bool,
    protocol: Option<&str>,
    key: &[u8; 32],
    out: &mut Vec<u8>,
) -> Result<Written, ()> {
    let uri = request.uri();
    let tunnel = *request.method() == Method::CONNECT && protocol.is_some();
    let method = if tunnel { &Method::GET } else { request.method() };
    let target = uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    let target = if *request.method() == Method::CONNECT && !tunnel { "/" } else { target };
    for part in [method.as_str(), " ", target, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    let named = request.headers().get(HOST).map(HeaderValue::as_bytes);
    let host = uri.authority().map(|authority| authority.as_str().as_bytes());
    if let (Some(named), Some(host)) = (named, host)
        && !named.eq_ignore_ascii_case(host)
    {
        return Err(());
    }
    if let Some(host) = host.or(named) {
        line(b"host", host, out);
    }
    let length = request.headers().get(CONTENT_LENGTH);
    match (end || tunnel, length) {
        (true, _) => {}
        (false, Some(length)) => line(b"content-length", length.as_bytes(), out),
        (false, None) => line(b"transfer-encoding", b"chunked", out),
    }
    fields(request.headers(), out, |name| ![HOST, CONTENT_LENGTH, TRANSFER_ENCODING, COOKIE].contains(name));
    cookies(request.headers(), out);
    if let Some(protocol) = protocol.filter(|_| tunnel) {
        line(b"connection", b"upgrade", out);
        line(b"upgrade", protocol.as_bytes(), out);
        // Hexadecimal digits are base64, of which 21 and a last one of two bits make 16 bytes (RFC 6455, section 4.1).
        let key = [&key[11..], b"A=="].concat();
        line(b"sec-websocket-key", &key, out);
    }
    out.extend_from_slice(b"\r\n");
    Ok(if tunnel { Written::Tunnel } else { Written::Plain })
}

/// Writes the head of an answer as HTTP/1.1 has it. `end` says that no body follows.
pub(crate) fn response(response: &Response<()>, end: bool, out: &mut Vec<u8>) {
    landfall_http1::status_line(false, response.status().as_u16(), b"", out);
    let length = response.headers().get(CONTENT_LENGTH);
    let bodiless = matches!(response.status().as_u16(), 100..=199 | 204 | 304);
    match (length, end) {
        (Some(length), _) => line(b"content-length", length.as_bytes(), out),
        (None, true) if !bodiless => line(b"content-length", b"0", out),
        (None, true) => {}
        (None, false) => line(b"transfer-encoding", b"chunked", out),
    }
    fields(response.headers(), out, |name| *name != CONTENT_LENGTH && *name != TRANSFER_ENCODING);
    out.extend_from_slice(b"\r\n");
}

/// Writes fields as lines.
pub(crate) fn fields(map: &HeaderMap, out: &mut Vec<u8>, passes: impl Fn(&HeaderName) -> bool) {
    for (name, value) in map.iter().filter(|(name, _)| passes(name)) {
        line(name.as_str().as_bytes(), value.as_bytes(), out);
    }
}

/// Writes a request's cookies as one line, however many fields they came in (RFC 9113, section 8.2.3).
fn cookies(map: &HeaderMap, out: &mut Vec<u8>) {
    let mut before: &[u8] = b"cookie: ";
    for crumb in map.get_all(COOKIE) {
        out.extend_from_slice(before);
        out.extend_from_slice(crumb.as_bytes());
        before = b"; ";
    }
    if map.contains_key(COOKIE) {
        out.extend_from_slice(b"\r\n");
    }
}

fn line(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Reads lines in plain form.
///
/// # Errors
/// When one is no field; those that were parsed all are.
pub(crate) fn map(lines: &[u8]) -> io::Result<HeaderMap> {
    let wrong = || io::Error::from(io::ErrorKind::InvalidData);
    let mut map = HeaderMap::new();
    let mut rest = lines;
    while !rest.is_empty() {
        let end = memchr::memmem::find(rest, b"\r\n").ok_or_else(wrong)?;
        let colon = memchr::memchr(b':', &rest[..end]).ok_or_else(wrong)?;
        let name = HeaderName::from_bytes(&rest[..colon]).map_err(io::Error::other)?;
        let value = rest[colon + 1..end].trim_ascii();
        map.append(name, HeaderValue::from_bytes(value).map_err(io::Error::other)?);
        rest = &rest[end + 2..];
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(builder: http::request::Builder, end: bool) -> Option<String> {
        let mut out = Vec::new();
        request(&builder.body(()).unwrap(), end, None, &[b'0'; 32], &mut out).ok()?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn requests_are_written_with_one_host_and_one_framing() {
        let post = || Request::post("http://a.example/x?y").header("te", "trailers");
        assert_eq!(
            written(post(), false).unwrap(),
            "POST /x?y HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\nte: trailers\r\n\r\n"
        );
        assert_eq!(
            written(post().header("content-length", "5"), false).unwrap(),
            "POST /x?y HTTP/1.1\r\nhost: a.example\r\ncontent-length: 5\r\nte: trailers\r\n\r\n"
        );
        assert_eq!(
            written(post().header("host", "A.example"), true).unwrap(),
            "POST /x?y HTTP/1.1\r\nhost: a.example\r\nte: trailers\r\n\r\n"
        );
        assert_eq!(written(post().header("host", "b.example"), true), None);
    }

    #[test]
    fn cookies_are_written_in_one_line() {
        let mut get = Request::get("http://a.example/");
        for number in 0..300 {
            get = get.header("cookie", format!("c{number}=v")).header("x-number", number);
        }
        let text = written(get, true).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("cookie")).collect();
        assert!(lines.len() == 1 && lines[0].starts_with("cookie: c0=v; c1=v; "), "{lines:?}");
        assert!(lines[0].ends_with("; c299=v") && text.ends_with("=v\r\n\r\n"), "{text}");
    }

    #[test]
    fn lines_come_back_as_they_went() {
        let lines = b"a: b\r\nset-cookie: c=d; e\r\nset-cookie: f\r\n";
        let map = map(lines).unwrap();
        let mut out = Vec::new();
        fields(&map, &mut out, |_| true);
        assert_eq!(out, lines);
        assert!(super::map(b"nonsense\r\n").is_err());
    }
}
