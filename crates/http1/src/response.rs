//! The head of a back end's answer, as strict as that of a request: a gateway passes nothing on that it had to guess.

use crate::byte::is_value;
use crate::framing::{self, Framing};
use crate::{Connection, Field, Known, Limits, Rule, Span, field};

/// A head by where its parts lie. Made to be used again: the list of fields keeps its memory.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// How long the head is, with the empty line at its end.
    pub length: usize,
    /// 100 to 999.
    pub status: u16,
    /// What stands behind the status; may be empty.
    pub reason: Span,
    /// Whether it is of HTTP/1.0.
    pub old: bool,
    /// All fields.
    pub fields: Vec<Field>,
    /// How long the body is.
    pub body: Framing,
    /// Whether the length was told, also where there is no body: of the answer to `HEAD`.
    pub said_length: Option<u64>,
    /// What `Connection` says.
    pub connection: Connection,
    /// The protocol of a 101.
    pub upgrade: Option<Span>,
    /// Whether a length stood beside a transfer coding, which makes the connection unfit for another request
    /// (RFC 9112, section 6.3).
    pub doubtful: bool,
}

impl Response {
    /// Reads a head whose end [`crate::Scan`] found: `head` is all of it. `to_head` says that it answers `HEAD`.
    ///
    /// # Errors
    /// The rule that it breaks; `self` holds nothing of use then.
    pub fn read(&mut self, head: &[u8], to_head: bool, limits: &Limits) -> Result<(), Rule> {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self { fields, length: head.len(), ..Self::default() };
        let line = memchr::memchr(b'\r', head).ok_or(Rule::StatusLine)?;
        if head.get(line + 1) != Some(&b'\n') {
            return Err(Rule::BareReturn);
        }
        self.line(&head[..line])?;
        field::read(head, line + 2, limits.fields, &mut self.fields)?;
        for field in &self.fields {
            match field.known {
                Known::Connection => self.connection.add(field.value.of(head)),
                Known::Upgrade => self.upgrade = Some(field.value),
                _ => {}
            }
        }
        let said = framing::said(head, &self.fields, self.old)?;
        self.said_length = said.length.filter(|_| !said.chunked);
        self.doubtful = said.chunked && said.length.is_some();
        let none = to_head || self.status < 200 || matches!(self.status, 204 | 304);
        self.body = match (none, said.chunked, said.length) {
            (true, _, _) | (false, false, Some(0)) => Framing::None,
            (false, true, _) => Framing::Chunked,
            (false, false, Some(length)) => Framing::Length(length),
            (false, false, None) => Framing::Close,
        };
        Ok(())
    }

    /// Whether another request can be sent behind this answer.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        !self.connection.close && !self.old && !self.doubtful && self.body != Framing::Close
    }

    /// Whether `Connection` names this field, so that it ends here.
    #[must_use]
    pub fn drops(&self, head: &[u8], field: &Field) -> bool {
        let values = self.fields.iter().filter(|field| field.known == Known::Connection);
        self.connection.names
            && Connection::drops(field.name.of(head), values.map(|field| field.value.of(head)))
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Rule> {
        self.old = match line.get(..9) {
            Some(b"HTTP/1.1 ") => false,
            Some(b"HTTP/1.0 ") => true,
            _ => return Err(Rule::StatusLine),
        };
        let Some(&[a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9']) = line.get(9..12) else {
            return Err(Rule::StatusLine);
        };
        let digit = |byte: u8| u16::from(byte - b'0');
        self.status = digit(a) * 100 + digit(b) * 10 + digit(c);
        let start = match line.get(12) {
            None => 12,
            Some(b' ') => 13,
            Some(_) => return Err(Rule::StatusLine),
        };
        if !is_value(&line[start..]) {
            return Err(Rule::StatusLine);
        }
        self.reason = Span::new(start, line.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { head: 65_536, target: 100, fields: 10 };

    fn read(head: &str, to_head: bool) -> Result<(u16, Framing, bool), Rule> {
        let mut response = Response::default();
        response.read(head.as_bytes(), to_head, &LIMITS)?;
        Ok((response.status, response.body, response.keeps_alive()))
    }

    #[test]
    fn the_framing_is_the_one_of_the_rfc() {
        let cases = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, 200, Framing::Length(5), true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, 200, Framing::None, true),
            ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false, 200, Framing::None, true),
            ("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n", false, 200, Framing::Chunked, true),
            ("HTTP/1.1 200 OK\r\n\r\n", false, 200, Framing::Close, false),
            ("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", false, 204, Framing::None, true),
            ("HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n", false, 304, Framing::None, true),
            ("HTTP/1.1 103 Early\r\n\r\n", false, 103, Framing::None, true),
            ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", false, 200, Framing::Length(5), false),
            (
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n",
                false,
                200,
                Framing::Length(5),
                false,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
                false,
                200,
                Framing::Chunked,
                false,
            ),
        ];
        for (head, to_head, status, body, stays) in cases {
            assert_eq!(read(head, to_head), Ok((status, body, stays)), "{head:?}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for (head, rule) in [
            ("SSH-2.0-OpenSSH\r\n\r\n", Rule::StatusLine),
            ("HTTP/2 200 OK\r\n\r\n", Rule::StatusLine),
            ("HTTP/1.1 20 OK\r\n\r\n", Rule::StatusLine),
            ("HTTP/1.1 2000 OK\r\n\r\n", Rule::StatusLine),
            ("HTTP/1.1 099 OK\r\n\r\n", Rule::StatusLine),
            ("HTTP/1.1  200 OK\r\n\r\n", Rule::StatusLine),
            ("HTTP/1.1 200 O\0K\r\n\r\n", Rule::StatusLine),
            ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", Rule::SpaceBeforeColon),
            ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Rule::Length),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", Rule::SeveralLengths),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", Rule::UnknownCoding),
            ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Rule::CodingInOldVersion),
        ] {
            assert_eq!(read(head, false), Err(rule), "{head:?}");
        }
    }
}
