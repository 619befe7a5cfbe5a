//! The head of a request: one method, one target, one host, one framing, or the rule that it breaks.

use crate::byte::{is_host, is_target, is_token};
use crate::field::{self, has_option};
use crate::framing::{self, Framing};
use crate::{Connection, Field, Known, Limits, Rule, Span};

/// The longest method, in bytes; the registry's longest has 17 (RFC 9110, section 9.1).
pub const MAX_METHOD: usize = 32;

/// What an HTTP/2 connection starts with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether the first bytes of a connection are those of HTTP/2: `None` while they may become it.
#[must_use]
pub fn is_preface(bytes: &[u8]) -> Option<bool> {
    let known = bytes.len().min(PREFACE.len());
    match bytes[..known] == PREFACE[..known] {
        false => Some(false),
        true if known == PREFACE.len() => Some(true),
        true => None,
    }
}

/// A head by where its parts lie. Made to be used again: the list of fields keeps its memory.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// How long the head is, with the empty line at its end.
    pub length: usize,
    /// The method.
    pub method: Span,
    /// The target in origin form or `*`; of an absolute target what stands behind its authority, which may lack the
    /// first slash: see [`Request::slash`].
    pub target: Span,
    /// Whether a slash must be put before the target.
    pub slash: bool,
    /// Whether it is of HTTP/1.0.
    pub old: bool,
    /// All fields.
    pub fields: Vec<Field>,
    /// Host and port: of an absolute target, which overrides the field (RFC 9112, section 3.2.2), or of `Host`.
    pub host: Option<Span>,
    /// How long the body is.
    pub body: Framing,
    /// What `Connection` says.
    pub connection: Connection,
    /// The protocol that it asks to change to, which counts only if `Connection` says so too.
    pub upgrade: Option<Span>,
    /// Whether the client waits to be told to send the body.
    pub continues: bool,
    /// Whether the client takes trailers (`TE: trailers`).
    pub trailers: bool,
}

impl Request {
    /// Reads a head whose end [`crate::Scan`] found: `head` is all of it.
    ///
    /// # Errors
    /// The rule that it breaks; `self` holds nothing of use then.
    pub fn read(&mut self, head: &[u8], limits: &Limits) -> Result<(), Rule> {
        self.clear();
        self.length = head.len();
        let line = memchr::memchr(b'\r', head).ok_or(Rule::RequestLine)?;
        if head.get(line + 1) != Some(&b'\n') {
            return Err(Rule::BareReturn);
        }
        let authority = self.line(head, line, limits)?;
        field::read(head, line + 2, limits.fields, &mut self.fields)?;
        self.host(head, authority)?;
        self.options(head)?;
        let said = framing::said(head, &self.fields, self.old)?;
        self.body = match (said.chunked, said.length) {
            (true, Some(_)) => return Err(Rule::LengthAndCoding),
            (true, None) => Framing::Chunked,
            (false, None | Some(0)) => Framing::None,
            (false, Some(length)) => Framing::Length(length),
        };
        Ok(())
    }

    /// Forgets what was read, but keeps the memory.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self { fields, ..Self::default() };
    }

    /// Whether the client's connection stays after this request, as far as the client is concerned.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        !self.connection.close && (!self.old || self.connection.keep_alive)
    }

    /// The values of all fields with this name, in lower case.
    pub fn values<'a>(&'a self, head: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = |field: &&Field| field.name.of(head).eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(move |field| named(field)).map(|field| field.value.of(head))
    }

    /// Whether `Connection` names this field, so that it ends here.
    #[must_use]
    pub fn drops(&self, head: &[u8], field: &Field) -> bool {
        let values = self.fields.iter().filter(|field| field.known == Known::Connection);
        self.connection.names
            && Connection::drops(field.name.of(head), values.map(|field| field.value.of(head)))
    }

    /// The first line, up to `end`. Gives the authority of an absolute target.
    fn line(&mut self, head: &[u8], end: usize, limits: &Limits) -> Result<Option<Span>, Rule> {
        let space = |from: usize| memchr::memchr(b' ', &head[from..end]).map(|at| from + at);
        let first = space(0).ok_or(Rule::RequestLine)?;
        let second = space(first + 1).ok_or(Rule::RequestLine)?;
        self.method = Span::new(0, first);
        if !is_token(&head[..first]) || first > MAX_METHOD {
            return Err(Rule::Method);
        }
        self.old = match &head[second + 1..end] {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                return Err(Rule::Version);
            }
            _ => return Err(Rule::RequestLine),
        };
        let target = &head[first + 1..second];
        if target.len() > limits.target {
            return Err(Rule::TargetTooLong);
        }
        if !is_target(target) || std::str::from_utf8(target).is_err() {
            return Err(Rule::Target);
        }
        self.target = Span::new(first + 1, second);
        match target {
            [b'/', ..] => Ok(None),
            b"*" if self.method.of(head) == b"OPTIONS" => Ok(None),
            _ if self.method.of(head) == b"CONNECT" => Ok(None),
            _ => self.absolute(head).map(Some),
        }
    }

    /// Takes scheme and authority off an absolute target (RFC 9112, section 3.2.2).
    fn absolute(&mut self, head: &[u8]) -> Result<Span, Rule> {
        let target = self.target.of(head);
        let scheme = [&b"http://"[..], b"https://"]
            .into_iter()
            .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
            .ok_or(Rule::Target)?;
        let rest = &target[scheme.len()..];
        let length = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        if length == 0 {
            return Err(Rule::Target);
        }
        let start = self.target.start() + scheme.len();
        self.target = Span::new(start + length, self.target.end());
        self.slash = !rest[length..].starts_with(b"/");
        Ok(Span::new(start, start + length))
    }

    fn host(&mut self, head: &[u8], authority: Option<Span>) -> Result<(), Rule> {
        let mut hosts = self.fields.iter().filter(|field| field.known == Known::Host);
        let named = hosts.next().map(|field| field.value);
        if hosts.next().is_some() {
            return Err(Rule::SeveralHosts);
        }
        if named.is_none() && !self.old {
            return Err(Rule::NoHost);
        }
        let valid = |span: Option<Span>| span.is_none_or(|span| is_host(span.of(head)));
        if !valid(named) || !valid(authority) {
            return Err(Rule::Host);
        }
        self.host = authority.or(named);
        Ok(())
    }

    fn options(&mut self, head: &[u8]) -> Result<(), Rule> {
        for field in &self.fields {
            let value = field.value.of(head);
            match field.known {
                Known::Connection => self.connection.add(value),
                Known::Upgrade => self.upgrade = Some(field.value),
                Known::Te => self.trailers |= has_option(value, b"trailers"),
                Known::Expect if value.eq_ignore_ascii_case(b"100-continue") => self.continues = !self.old,
                Known::Expect => return Err(Rule::Expectation),
                _ => {}
            }
        }
        // A tunnel of HTTP/2 would let requests pass that nobody looks at; nobody needs it (RFC 9113, section 3.1).
        let http2 =
            |protocol: Span| has_option(protocol.of(head), b"h2c") || has_option(protocol.of(head), b"h2");
        if !self.connection.upgrade || self.upgrade.is_some_and(http2) {
            self.upgrade = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { head: 65_536, target: 100, fields: 10 };

    fn read(head: &str) -> Result<Request, Rule> {
        let mut request = Request::default();
        request.read(head.as_bytes(), &LIMITS).map(|()| request)
    }

    /// Host and target of a head.
    fn place(line: &str, fields: &str) -> Result<(String, String), Rule> {
        let head = format!("{line}\r\n{fields}\r\n");
        let request = read(&head)?;
        let text = |span: Span| String::from_utf8_lossy(span.of(head.as_bytes())).into_owned();
        let slash = if request.slash { "/" } else { "" };
        Ok((request.host.map(text).unwrap_or_default(), format!("{slash}{}", text(request.target))))
    }

    #[test]
    fn targets_and_hosts_are_brought_into_one_form() {
        let ok = |host: &str, target: &str| Ok((host.to_owned(), target.to_owned()));
        assert_eq!(place("GET /a?b HTTP/1.1", "Host: x:1\r\n"), ok("x:1", "/a?b"));
        assert_eq!(place("GET http://y/a?b HTTP/1.1", "Host: x\r\n"), ok("y", "/a?b"));
        assert_eq!(place("GET HTTPS://y HTTP/1.1", "Host: x\r\n"), ok("y", "/"));
        assert_eq!(place("GET http://y?q HTTP/1.1", "Host: x\r\n"), ok("y", "/?q"));
        assert_eq!(place("GET / HTTP/1.0", ""), ok("", "/"));
        assert_eq!(place("GET / HTTP/1.1", "Host:\r\n"), ok("", "/"));
        assert_eq!(place("OPTIONS * HTTP/1.1", "Host: x\r\n"), ok("x", "*"));
        assert_eq!(place("PURGE /\u{fc}|{} HTTP/1.1", "Host: [::1]:8\r\n"), ok("[::1]:8", "/\u{fc}|{}"));
        let host = "Host: x\r\n";
        for (line, fields, rule) in [
            ("GET / HTTP/1.1", "", Rule::NoHost),
            ("GET / HTTP/1.1", "Host: x\r\nHost: x\r\n", Rule::SeveralHosts),
            ("GET http://y/ HTTP/1.1", "Host: x\r\nHost: y\r\n", Rule::SeveralHosts),
            ("GET http://y/ HTTP/1.1", "", Rule::NoHost),
            ("GET / HTTP/1.1", "Host: x/y\r\n", Rule::Host),
            ("GET / HTTP/1.1", "Host: u@x\r\n", Rule::Host),
            ("GET / HTTP/1.1", "Host: x:y.example\r\n", Rule::Host),
            ("GET http://x:y.example/ HTTP/1.1", "Host: x\r\n", Rule::Host),
            ("GET / HTTP/1.1", "Host: a\"b\r\n", Rule::Host),
            ("GET / HTTP/1.1", "Host: a b\r\n", Rule::Host),
            ("GET http://u@y/ HTTP/1.1", host, Rule::Host),
            ("GET http:/// HTTP/1.1", host, Rule::Target),
            ("GET ftp://y/ HTTP/1.1", host, Rule::Target),
            ("GET y:80 HTTP/1.1", host, Rule::Target),
            ("GET * HTTP/1.1", host, Rule::Target),
            ("GET x HTTP/1.1", host, Rule::Target),
            ("GET  HTTP/1.1", host, Rule::Target),
            ("GET /#a HTTP/1.1", host, Rule::Target),
            ("GET /\0 HTTP/1.1", host, Rule::Target),
            ("GET /\t HTTP/1.1", host, Rule::Target),
            ("GET /a b HTTP/1.1", host, Rule::RequestLine),
            ("GET  / HTTP/1.1", host, Rule::RequestLine),
            ("GET /", host, Rule::RequestLine),
            ("GET", host, Rule::RequestLine),
            ("GET / HTTP/1.1 ", host, Rule::RequestLine),
            ("GET / http/1.1", host, Rule::RequestLine),
            ("GET / HTTP/11", host, Rule::RequestLine),
            ("GET / HTTP/2.0", host, Rule::Version),
            ("PRI * HTTP/2.0", "", Rule::Version),
            ("GET / HTTP/1.2", host, Rule::Version),
            ("G(T / HTTP/1.1", host, Rule::Method),
            (" / HTTP/1.1", host, Rule::Method),
            ("\u{16}\u{3} / HTTP/1.1", host, Rule::Method),
            ("GET /\r HTTP/1.1", host, Rule::BareReturn),
        ] {
            assert_eq!(place(line, fields), Err(rule), "{line:?} {fields:?}");
        }
        assert_eq!(place(&format!("GET /{} HTTP/1.1", "a".repeat(100)), host), Err(Rule::TargetTooLong));
        assert_eq!(place(&format!("{} / HTTP/1.1", "A".repeat(33)), host), Err(Rule::Method));
    }

    #[test]
    fn there_is_one_framing() {
        let body = |fields: &str| {
            read(&format!("POST / HTTP/1.1\r\nHost: x\r\n{fields}\r\n")).map(|request| request.body)
        };
        assert_eq!(body(""), Ok(Framing::None));
        assert_eq!(body("Content-Length: 0\r\n"), Ok(Framing::None));
        assert_eq!(body("content-LENGTH: 5\r\n"), Ok(Framing::Length(5)));
        assert_eq!(body("Transfer-Encoding: chunked\r\n"), Ok(Framing::Chunked));
        assert_eq!(body("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), Err(Rule::LengthAndCoding));
        assert_eq!(body("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"), Err(Rule::LengthAndCoding));
        assert_eq!(body("Content-Length: 5\r\nContent-Length: 5\r\n"), Err(Rule::SeveralLengths));
        assert_eq!(
            body("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            Err(Rule::SeveralCodings)
        );
        let old = read("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").map(|request| request.body);
        assert_eq!(old, Err(Rule::CodingInOldVersion));
    }

    #[test]
    fn options_are_read() {
        let head = "GET / HTTP/1.1\r\nHost: x\r\nConnection: x-own, Upgrade\r\nUpgrade: websocket\r\n\
                    TE: gzip, trailers\r\nExpect: 100-Continue\r\nX-Own: 1\r\n\r\n";
        let request = read(head).unwrap();
        assert!(request.keeps_alive() && request.continues && request.trailers);
        assert_eq!(request.upgrade.unwrap().of(head.as_bytes()), b"websocket");
        let dropped: Vec<&[u8]> = request
            .fields
            .iter()
            .filter(|field| request.drops(head.as_bytes(), field))
            .map(|field| field.name.of(head.as_bytes()))
            .collect();
        assert_eq!(dropped, [&b"Upgrade"[..], b"X-Own"]);
        assert_eq!(request.values(head.as_bytes(), "x-own").collect::<Vec<_>>(), [b"1"]);
        assert!(!read("GET / HTTP/1.0\r\n\r\n").unwrap().keeps_alive());
        assert!(read("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap().keeps_alive());
        assert!(!read("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap().keeps_alive());
        let not = read("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n\r\n").unwrap();
        assert_eq!(not.upgrade, None);
        for protocol in ["h2c", "websocket, H2C", "h2"] {
            let head =
                format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n\r\n");
            assert_eq!(read(&head).unwrap().upgrade, None, "{protocol}");
        }
        let expect = read("GET / HTTP/1.1\r\nHost: x\r\nExpect: coffee\r\n\r\n");
        assert_eq!(expect.map(|_| ()), Err(Rule::Expectation));
    }

    #[test]
    fn http2_is_seen_by_its_first_bytes() {
        assert_eq!(
            (is_preface(b"PRI * HT"), is_preface(PREFACE), is_preface(b"PUT /")),
            (None, Some(true), Some(false))
        );
        assert_eq!(is_preface(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore"), Some(true));
    }
}
