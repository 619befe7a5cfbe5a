//! From bytes as they come out of a pipe to lines: bounded, lossless but for invalid UTF-8, secrets blacked out.

use memchr::memchr;

use crate::Redactor;

/// The longest line in bytes; longer ones come in pieces.
pub(crate) const MAX_LINE: usize = 16 * 1024;

/// Cuts one stream into lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    /// Takes what was read and gives every line that is whole, and pieces of one that is too long, to `each`.
    pub(crate) fn push(&mut self, bytes: &[u8], redactor: &Redactor, each: &mut dyn FnMut(&str)) {
        let mut rest = bytes;
        while let Some(end) = memchr(b'\n', rest) {
            if self.pending.is_empty() && end <= MAX_LINE {
                emit(&rest[..end], redactor, each);
            } else {
                self.pending.extend_from_slice(&rest[..end]);
                self.cut_pieces(MAX_LINE, redactor, each);
                emit(&self.pending, redactor, each);
                self.pending.clear();
            }
            rest = &rest[end + 1..];
        }
        self.pending.extend_from_slice(rest);
        // A value that begins in this piece must be seen as a whole before the piece is cut.
        self.cut_pieces(MAX_LINE + redactor.longest(), redactor, each);
    }

    /// Gives the unfinished line, if there is one.
    pub(crate) fn flush(&mut self, redactor: &Redactor, each: &mut dyn FnMut(&str)) {
        if !self.pending.is_empty() {
            self.cut_pieces(MAX_LINE, redactor, each);
            emit(&self.pending, redactor, each);
            self.pending.clear();
        }
    }

    /// Whether a line has begun and not ended.
    pub(crate) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether the unfinished line ends in what may be the beginning of a secret value.
    pub(crate) fn may_hide_a_value(&self, redactor: &Redactor) -> bool {
        redactor.may_go_on(&self.pending)
    }

    /// Gives pieces of the unfinished line until no more than `keep` bytes of it are left.
    fn cut_pieces(&mut self, keep: usize, redactor: &Redactor, each: &mut dyn FnMut(&str)) {
        while self.pending.len() > keep {
            let at = redactor.cut(&self.pending, utf8_boundary(&self.pending, MAX_LINE));
            emit(&self.pending[..at], redactor, each);
            self.pending.drain(..at);
        }
    }
}

fn emit(line: &[u8], redactor: &Redactor, each: &mut dyn FnMut(&str)) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    each(&redactor.redact(&String::from_utf8_lossy(line)));
}

/// The last place at or before `at` where no character of UTF-8 is cut in two.
fn utf8_boundary(bytes: &[u8], at: usize) -> usize {
    (at.saturating_sub(3)..=at).rev().find(|&place| bytes[place] & 0xC0 != 0x80).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn lines(chunks: &[&[u8]], redactor: &Redactor) -> Vec<String> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for chunk in chunks {
            lines.push(chunk, redactor, &mut |line| found.push(line.to_owned()));
        }
        lines.flush(redactor, &mut |line| found.push(line.to_owned()));
        found
    }

    #[test]
    fn bytes_become_lines() {
        let none = Redactor::default();
        assert_eq!(lines(&[b"a\nb", b"c\r\n", b"\nd"], &none), ["a", "bc", "", "d"]);
        assert_eq!(lines(&[b"\xff\xfe ok\n"], &none), ["\u{fffd}\u{fffd} ok"]);
        assert_eq!(lines(&[], &none), [""; 0]);
    }

    #[test]
    fn a_long_line_comes_in_pieces_and_no_character_is_cut() {
        let text = "x".repeat(MAX_LINE - 1) + &"ü".repeat(MAX_LINE);
        for chunk in [1000, 70_000] {
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(chunk).collect();
            let found = lines(&chunks, &Redactor::default());
            assert_eq!(found.concat(), text);
            assert!(found.iter().all(|piece| piece.len() <= MAX_LINE));
            assert_eq!(found.len(), 3);
        }
    }

    #[test]
    fn a_value_is_found_wherever_the_chunks_and_pieces_fall() {
        let redactor = Redactor::new(&BTreeMap::from([("KEY".to_owned(), "hunter22".to_owned())]));
        for before in (MAX_LINE - 12)..(MAX_LINE + 4) {
            let text = format!("{}hunter22{}", ".".repeat(before), ".".repeat(before));
            for chunk in [1, 7, 5000, 100_000] {
                let chunks: Vec<&[u8]> = text.as_bytes().chunks(chunk).collect();
                let found = lines(&chunks, &redactor).concat();
                assert_eq!(found, text.replace("hunter22", "[KEY]"), "{before} {chunk}");
            }
        }
    }
}
