//! Frames a body on its way out.

use crate::Framing;
use crate::write::hexadecimal;

/// Frames the body of one message: what stands before, between and behind its pieces.
#[derive(Debug, Clone, Copy)]
pub struct Encoder {
    framing: Framing,
    /// Bytes that must still come: of the body, or of the chunk that was begun.
    left: u64,
}

impl Encoder {
    /// One for a body of this framing.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        let left = if let Framing::Length(length) = framing { length } else { 0 };
        Self { framing, left }
    }

    /// Makes room for a piece of `count` bytes: puts into `out` what stands before it and gives how many bytes of it may
    /// follow; fewer only if the body has no room for them (a body of a length that is over) or a chunk is under way.
    pub fn begin(&mut self, count: usize, out: &mut Vec<u8>) -> usize {
        match self.framing {
            Framing::None => 0,
            Framing::Close => count,
            Framing::Length(_) => usize::try_from(self.left).unwrap_or(usize::MAX).min(count),
            Framing::Chunked => {
                if self.left == 0 && count > 0 {
                    hexadecimal(count as u64, out);
                    out.extend_from_slice(b"\r\n");
                    self.left = count as u64;
                }
                usize::try_from(self.left).unwrap_or(usize::MAX).min(count)
            }
        }
    }

    /// So many bytes of the piece went out, behind which `out` may get the end of the chunk.
    pub fn sent(&mut self, count: usize, out: &mut Vec<u8>) {
        match self.framing {
            Framing::Length(_) => self.left -= (count as u64).min(self.left),
            Framing::Chunked if count > 0 => {
                self.left -= (count as u64).min(self.left);
                if self.left == 0 {
                    out.extend_from_slice(b"\r\n");
                }
            }
            Framing::None | Framing::Close | Framing::Chunked => {}
        }
    }

    /// Puts the end into `out`; `trailers` are lines with their ends, without the empty one. Gives whether the body is
    /// whole: a length that was promised was not sent otherwise, and the connection must be cut.
    pub fn end(&mut self, trailers: &[u8], out: &mut Vec<u8>) -> bool {
        if self.left > 0 {
            return false;
        }
        if self.framing == Framing::Chunked {
            out.extend_from_slice(b"0\r\n");
            out.extend_from_slice(trailers);
            out.extend_from_slice(b"\r\n");
            self.framing = Framing::None;
        }
        true
    }

    /// Whether the end of the body is only told by the end of the connection.
    #[must_use]
    pub fn ends_with_connection(&self) -> bool {
        self.framing == Framing::Close
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_framed() {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(Framing::Chunked);
        for piece in [&b"hello"[..], b"", b"0123456789abcdef"] {
            let count = encoder.begin(piece.len(), &mut out);
            out.extend_from_slice(&piece[..count]);
            encoder.sent(count, &mut out);
        }
        assert!(encoder.end(b"A: b\r\n", &mut out));
        assert_eq!(out, b"5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\n");
        // A chunk that goes out in two parts keeps the size that was said.
        out.clear();
        let mut encoder = Encoder::new(Framing::Chunked);
        assert_eq!(encoder.begin(5, &mut out), 5);
        encoder.sent(2, &mut out);
        assert!(!encoder.end(b"", &mut out));
        assert_eq!((encoder.begin(9, &mut out), out.as_slice()), (3, &b"5\r\n"[..]));
        encoder.sent(3, &mut out);
        assert_eq!(out, b"5\r\n\r\n");
    }

    #[test]
    fn a_length_is_neither_exceeded_nor_missed() {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(Framing::Length(4));
        assert_eq!(encoder.begin(3, &mut out), 3);
        encoder.sent(3, &mut out);
        assert!(!encoder.end(b"", &mut out));
        assert_eq!(encoder.begin(3, &mut out), 1);
        encoder.sent(1, &mut out);
        assert!(encoder.end(b"", &mut out) && out.is_empty());
        assert_eq!(Encoder::new(Framing::None).begin(3, &mut out), 0);
        let mut close = Encoder::new(Framing::Close);
        assert!(close.ends_with_connection() && close.begin(3, &mut out) == 3 && close.end(b"", &mut out));
    }
}
