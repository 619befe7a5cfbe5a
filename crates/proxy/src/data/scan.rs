//! Looks at the raw head of a request for the two framing fields: hyper drops `Content-Length` when it sees
//! `Transfer-Encoding`, and a request with both is an attempt at smuggling (RFC 9112, section 6.3).

/// Follows a head through the pieces it is read in.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    /// The start of a line whose end has not been read yet, as far as it matters.
    line: Vec<u8>,
    length: bool,
    encoding: bool,
    done: bool,
}

/// Longer than either name with its colon; the rest of a line does not matter.
const ENOUGH: usize = 18;

impl Scanner {
    /// A new request begins.
    pub(crate) fn restart(&mut self) {
        self.line.clear();
        self.length = false;
        self.encoding = false;
        self.done = false;
    }

    /// Takes the next bytes of the head in; what follows the head's end is ignored.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !self.done && !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let line = &rest[..end.unwrap_or(rest.len())];
            if self.line.is_empty() && end.is_some() {
                self.look(line);
            } else {
                let room = ENOUGH.saturating_sub(self.line.len());
                self.line.extend_from_slice(&line[..line.len().min(room)]);
                if end.is_some() {
                    let whole = std::mem::take(&mut self.line);
                    self.look(&whole);
                }
            }
            rest = end.map_or(&[][..], |end| &rest[end + 1..]);
        }
    }

    fn look(&mut self, line: &[u8]) {
        let named = |name: &[u8]| line.len() >= name.len() && line[..name.len()].eq_ignore_ascii_case(name);
        match line.first() {
            None | Some(b'\r') => self.done = true,
            Some(b'c' | b'C') if named(b"content-length") => self.length = true,
            Some(b't' | b'T') if named(b"transfer-encoding") => self.encoding = true,
            _ => {}
        }
    }

    /// Whether the whole head was seen.
    pub(crate) fn done(&self) -> bool {
        self.done
    }

    /// Whether both fields were in it.
    pub(crate) fn both(&self) -> bool {
        self.length && self.encoding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_fields_are_seen_however_the_head_is_cut() {
        let cases = [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", false),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nTransfer-Encoding: chunked\r\n", false),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX: content-length\r\n\r\n", false),
            ("POST / HTTP/1.1\r\nCONTENT-length: 3\r\nX: y\r\ntransfer-ENCODING: chunked\r\n\r\n", true),
            ("POST / HTTP/1.1\nTransfer-Encoding:chunked\nContent-Length:3\n\n", true),
        ];
        for (head, both) in cases {
            for size in 1..head.len() {
                let mut scanner = Scanner::default();
                head.as_bytes().chunks(size).for_each(|piece| scanner.feed(piece));
                assert_eq!((scanner.done(), scanner.both()), (true, both), "{head:?} in pieces of {size}");
            }
        }
    }
}
