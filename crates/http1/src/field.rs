//! Fields of a head: their lines, the names that framing and forwarding go by, the options of `Connection`.

use crate::byte::{is_token, is_value, token_byte, trim};
use crate::{Rule, Span};

/// A field by where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name as it was sent.
    pub name: Span,
    /// Its value without white space around it.
    pub value: Span,
    /// Which one it is, if that matters to a gateway.
    pub known: Known,
}

impl Field {
    /// Whether its line is `name: value` with one space and nothing behind, so that it can be passed on as it is.
    #[must_use]
    pub fn is_plain(&self, line_end: usize) -> bool {
        self.value.start() == self.name.end() + 2 && self.value.end() + 2 == line_end
    }
}

/// The names that a gateway looks at. Those with a meaning for one connection only, or for the framing, never pass as
/// they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// `Connection`
    Connection,
    /// `Content-Length`
    ContentLength,
    /// `Transfer-Encoding`
    TransferEncoding,
    /// `Host`
    Host,
    /// `Expect`
    Expect,
    /// `TE`
    Te,
    /// `Trailer`
    Trailer,
    /// `Upgrade`
    Upgrade,
    /// `Keep-Alive`, `Proxy-Connection`, `HTTP2-Settings`: of one connection, and of no further use.
    HopByHop,
    /// `Proxy-Authorization`, `Proxy-Authenticate`
    ProxyAuthentication,
    /// `Cookie`
    Cookie,
    /// Any other.
    Other,
}

impl Known {
    /// Which one a name is, whatever its case.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
        match (name.len(), name.first().map_or(0, u8::to_ascii_lowercase)) {
            (2, b't') if is(b"te") => Self::Te,
            (4, b'h') if is(b"host") => Self::Host,
            (6, b'e') if is(b"expect") => Self::Expect,
            (6, b'c') if is(b"cookie") => Self::Cookie,
            (7, b't') if is(b"trailer") => Self::Trailer,
            (7, b'u') if is(b"upgrade") => Self::Upgrade,
            (10, b'c') if is(b"connection") => Self::Connection,
            (10, b'k') if is(b"keep-alive") => Self::HopByHop,
            (14, b'c') if is(b"content-length") => Self::ContentLength,
            (14, b'h') if is(b"http2-settings") => Self::HopByHop,
            (16, b'p') if is(b"proxy-connection") => Self::HopByHop,
            (17, b't') if is(b"transfer-encoding") => Self::TransferEncoding,
            (18, b'p') if is(b"proxy-authenticate") => Self::ProxyAuthentication,
            (19, b'p') if is(b"proxy-authorization") => Self::ProxyAuthentication,
            _ => Self::Other,
        }
    }
}

/// Reads the lines of `head` from `at` to its empty line into `fields`.
///
/// # Errors
/// The rule that the first wrong line breaks.
pub(crate) fn read(head: &[u8], at: usize, most: usize, fields: &mut Vec<Field>) -> Result<(), Rule> {
    fields.clear();
    let mut at = at;
    while head[at..] != *b"\r\n" {
        if fields.len() == most {
            return Err(Rule::TooManyFields);
        }
        let (field, next) = line(head, at)?;
        fields.push(field);
        at = next;
    }
    Ok(())
}

/// Reads one line that begins at `at`; gives where the next one begins.
fn line(head: &[u8], at: usize) -> Result<(Field, usize), Rule> {
    let mut colon = at;
    while token_byte(head[colon]) {
        colon += 1;
    }
    match head[colon] {
        b':' if colon > at => {}
        b' ' | b'\t' if colon == at => return Err(Rule::FoldedLine),
        b' ' | b'\t' => return Err(Rule::SpaceBeforeColon),
        b'\r' => return Err(Rule::NoColon),
        _ => return Err(Rule::FieldName),
    }
    let mut start = colon + 1;
    while matches!(head[start], b' ' | b'\t') {
        start += 1;
    }
    // The scan saw that every line feed has its carriage return, and that the last line is empty.
    let next = start + memchr::memchr(b'\n', &head[start..]).ok_or(Rule::NoColon)? + 1;
    let line_end = next - 2;
    let mut end = line_end;
    while end > start && matches!(head[end - 1], b' ' | b'\t') {
        end -= 1;
    }
    // A line of spaces alone leaves `start` at the line's end.
    let value = &head[start.min(end)..end];
    if !is_value(value) {
        return Err(if value.contains(&b'\r') { Rule::BareReturn } else { Rule::ControlByte });
    }
    let name = Span::new(at, colon);
    Ok((Field { name, value: Span::new(start.min(end), end), known: Known::of(name.of(head)) }, next))
}

/// What `Connection` says (RFC 9110, section 7.6.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connection {
    /// It ends after this message.
    pub close: bool,
    /// It stays, says a sender of HTTP/1.0.
    pub keep_alive: bool,
    /// The protocol is to change.
    pub upgrade: bool,
    /// Other fields are named, which then end here too.
    pub names: bool,
}

impl Connection {
    /// Adds what one such field says.
    pub(crate) fn add(&mut self, value: &[u8]) {
        for option in options(value) {
            let is = |wanted: &[u8]| option.eq_ignore_ascii_case(wanted);
            match option.len() {
                5 if is(b"close") => self.close = true,
                7 if is(b"upgrade") => self.upgrade = true,
                10 if is(b"keep-alive") => self.keep_alive = true,
                _ => self.names = true,
            }
        }
    }

    /// Whether one of these values of `Connection` names this field. The fields that frame or route a message cannot
    /// be named away: it would become another message.
    pub fn drops<'a>(name: &[u8], values: impl Iterator<Item = &'a [u8]>) -> bool {
        let mut values = values;
        let kept = matches!(
            Known::of(name),
            Known::Host | Known::ContentLength | Known::TransferEncoding | Known::Trailer | Known::Cookie
        );
        !kept && values.any(|value| options(value).any(|option| option.eq_ignore_ascii_case(name)))
    }
}

/// The members of a list, without white space around them and without empty ones.
pub(crate) fn options(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim).filter(|option| !option.is_empty())
}

/// Whether a list has this member, whatever its case and parameters.
pub(crate) fn has_option(value: &[u8], wanted: &[u8]) -> bool {
    options(value).any(|option| {
        let word = option.split(|byte| *byte == b';').next().map_or(option, trim);
        is_token(word) && word.eq_ignore_ascii_case(wanted)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &str) -> Result<Vec<(String, String)>, Rule> {
        let head = format!("{lines}\r\n");
        let mut fields = Vec::new();
        read(head.as_bytes(), 0, 3, &mut fields)?;
        let text = |span: Span| String::from_utf8_lossy(span.of(head.as_bytes())).into_owned();
        Ok(fields.iter().map(|field| (text(field.name), text(field.value))).collect())
    }

    #[test]
    fn lines_are_read_strictly() {
        let ok = |name: &str, value: &str| Ok(vec![(name.to_owned(), value.to_owned())]);
        assert_eq!(fields(""), Ok(vec![]));
        assert_eq!(fields("A: b\r\n"), ok("A", "b"));
        assert_eq!(fields("A:b c\t \r\n"), ok("A", "b c"));
        assert_eq!(fields("A: \t \r\n"), ok("A", ""));
        assert_eq!(fields("A:\r\n"), ok("A", ""));
        assert_eq!(fields("A: \u{fc}\r\n"), ok("A", "\u{fc}"));
        for (line, rule) in [
            ("A : b\r\n", Rule::SpaceBeforeColon),
            ("A\t: b\r\n", Rule::SpaceBeforeColon),
            (" A: b\r\n", Rule::FoldedLine),
            ("\tb\r\n", Rule::FoldedLine),
            (": b\r\n", Rule::FieldName),
            ("A\u{b}: b\r\n", Rule::FieldName),
            ("\0: b\r\n", Rule::FieldName),
            ("A(: b\r\n", Rule::FieldName),
            ("A\r\n", Rule::NoColon),
            ("A: b\rc\r\n", Rule::BareReturn),
            ("A: b\r\r\n", Rule::BareReturn),
            ("A: b\0c\r\n", Rule::ControlByte),
            ("A: b\u{b}c\r\n", Rule::ControlByte),
            ("A: \x7f\r\n", Rule::ControlByte),
            ("A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n", Rule::TooManyFields),
        ] {
            assert_eq!(fields(line), Err(rule), "{line:?}");
        }
    }

    #[test]
    fn options_of_a_connection_are_read() {
        let mut connection = Connection::default();
        connection.add(b"Keep-Alive, , UPGRADE ,x-own");
        assert_eq!(connection, Connection { close: false, keep_alive: true, upgrade: true, names: true });
        let named = |name: &[u8]| Connection::drops(name, [&b"x-own, host, Content-Length"[..]].into_iter());
        assert!(named(b"X-Own") && !named(b"Host") && !named(b"content-length") && !named(b"x-other"));
        assert!(has_option(b"gzip, Trailers;q=0.5", b"trailers") && !has_option(b"xtrailers", b"trailers"));
    }
}
