//! Where a head ends, found without looking at a byte twice however small the pieces are in which it comes.

use memchr::memchr;

use crate::Rule;

/// How much a head may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes in all, the empty line at its end included.
    pub head: usize,
    /// Bytes of the first line's target.
    pub target: usize,
    /// Fields.
    pub fields: usize,
}

/// How far a head was looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scan {
    /// Up to here no line end is left.
    at: usize,
    /// Where the line began that is not at its end yet.
    line: usize,
}

impl Scan {
    /// Looks at what came; `bytes` starts where it started before, and is longer. Gives the length of the head with the
    /// empty line at its end, `None` while that has not come.
    ///
    /// # Errors
    /// A line that ends without a carriage return; a head that is over its limit.
    pub fn end(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<usize>, Rule> {
        while let Some(found) = memchr(b'\n', &bytes[self.at..]) {
            let end = self.at + found;
            if end == self.line || bytes[end - 1] != b'\r' {
                return Err(Rule::BareLineFeed);
            }
            let empty = end == self.line + 1;
            self.at = end + 1;
            self.line = end + 1;
            if empty {
                return if self.at <= limits.head { Ok(Some(self.at)) } else { Err(self.too_large()) };
            }
        }
        self.at = bytes.len();
        if self.line == 0 && bytes.len() > limits.target + MAX_BESIDE_TARGET {
            return Err(Rule::TargetTooLong);
        }
        if bytes.len() >= limits.head { Err(self.too_large()) } else { Ok(None) }
    }

    fn too_large(self) -> Rule {
        if self.line == 0 { Rule::TargetTooLong } else { Rule::HeadTooLarge }
    }
}

/// What a request line has beside its target: a long method, a version and spaces.
const MAX_BESIDE_TARGET: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { head: 64, target: 16, fields: 4 };

    #[test]
    fn the_end_is_the_same_however_the_head_is_cut() {
        let bytes = b"GET / HTTP/1.1\r\nA: b\r\n\r\nrest\n";
        let mut whole = Scan::default();
        assert_eq!(whole.end(bytes, &LIMITS), Ok(Some(24)));
        let mut scan = Scan::default();
        for size in 0..24 {
            assert_eq!(scan.end(&bytes[..size], &LIMITS), Ok(None), "{size}");
        }
        assert_eq!(scan.end(&bytes[..24], &LIMITS), Ok(Some(24)));
    }

    #[test]
    fn what_is_bare_or_too_much_is_refused() {
        let end = |bytes: &[u8]| Scan::default().end(bytes, &LIMITS);
        assert_eq!(end(b"\n"), Err(Rule::BareLineFeed));
        assert_eq!(end(b"GET /\n"), Err(Rule::BareLineFeed));
        assert_eq!(end(b"GET /\r\n\n"), Err(Rule::BareLineFeed));
        assert_eq!(end(&[b'a'; 64]), Err(Rule::TargetTooLong));
        let mut long = b"GET / HTTP/1.1\r\n".to_vec();
        long.resize(64, b'a');
        assert_eq!(end(&long), Err(Rule::HeadTooLarge));
    }
}
