//! Chunks (RFC 9112, section 7.1): sizes that are plain, data that ends where it says, extensions within a budget.

use memchr::memchr;

use crate::Rule;
use crate::byte::is_value;
use crate::trailers::{self, MAX_TRAILERS};

/// The longest line with a chunk's size, in bytes: 16 digits and an extension.
pub const MAX_SIZE_LINE: usize = 256;
/// Bytes of extensions in one body; they are dropped, and somebody who sends many of them means harm.
pub const MAX_EXTENSIONS: usize = 4096;

/// Where a chunked body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Before a chunk's size.
    Size,
    /// Inside a chunk, so many bytes before its end.
    Data(u64),
    /// Before the line end behind a chunk's data.
    DataEnd,
    /// Behind the chunk of size 0.
    Trailers,
    /// At the end.
    Done,
}

/// What a step found at the start of its input.
pub(crate) enum Step {
    /// So many bytes are framing; go on behind them.
    Skip(usize),
    /// More must come before anything can be said.
    More,
    /// So many bytes of data, from the start of the input.
    Data(usize),
    /// The trailers, with the empty line at their end; the body ends there.
    End(usize),
}

/// Follows a chunked body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunks {
    pub(crate) state: State,
    extensions: usize,
}

impl Chunks {
    pub(crate) fn new() -> Self {
        Self { state: State::Size, extensions: 0 }
    }

    /// Looks at what comes next.
    pub(crate) fn step(&mut self, input: &[u8]) -> Result<Step, Rule> {
        match self.state {
            State::Size => self.size(input),
            State::Data(left) => {
                let count = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                Ok(if count == 0 { Step::More } else { Step::Data(count) })
            }
            State::DataEnd => match input {
                [b'\r', b'\n', ..] => {
                    self.state = State::Size;
                    Ok(Step::Skip(2))
                }
                [] | [b'\r'] => Ok(Step::More),
                _ => Err(Rule::ChunkEnd),
            },
            State::Trailers => {
                let end = trailers::end(input)?;
                if let Some(end) = end {
                    self.state = State::Done;
                    return Ok(Step::End(end));
                }
                if input.len() > MAX_TRAILERS { Err(Rule::TrailersTooLarge) } else { Ok(Step::More) }
            }
            State::Done => Ok(Step::End(0)),
        }
    }

    /// So many bytes of the data were taken.
    pub(crate) fn took(&mut self, count: usize) {
        if let State::Data(left) = &mut self.state {
            *left -= (count as u64).min(*left);
            if *left == 0 {
                self.state = State::DataEnd;
            }
        }
    }

    fn size(&mut self, input: &[u8]) -> Result<Step, Rule> {
        let Some(feed) = memchr(b'\n', &input[..input.len().min(MAX_SIZE_LINE)]) else {
            // A wrong digit is told at once, for nothing else may ever come.
            let digits = input.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            if digits > MAX_DIGITS {
                return Err(Rule::ChunkTooLarge);
            }
            return match input.get(digits) {
                Some(b';' | b'\r' | b' ' | b'\t') if digits > 0 && input.len() < MAX_SIZE_LINE => {
                    Ok(Step::More)
                }
                None => Ok(Step::More),
                Some(b';') => Err(Rule::ChunkExtension),
                _ => Err(Rule::ChunkSize),
            };
        };
        let line = input[..feed].strip_suffix(b"\r").ok_or(Rule::BareLineFeed)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let size = hexadecimal(&line[..digits])?;
        self.extension(&line[digits..])?;
        self.state = if size == 0 { State::Trailers } else { State::Data(size) };
        Ok(Step::Skip(feed + 1))
    }

    /// Nothing, or `;` and what follows it; spaces may stand before (section 7.1.1).
    fn extension(&mut self, rest: &[u8]) -> Result<(), Rule> {
        if rest.is_empty() {
            return Ok(());
        }
        let spaces = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        self.extensions += rest.len();
        match rest.get(spaces) {
            Some(b';') if is_value(rest) && self.extensions <= MAX_EXTENSIONS => Ok(()),
            Some(b';') => Err(Rule::ChunkExtension),
            _ => Err(Rule::ChunkSize),
        }
    }
}

/// Digits of the largest size.
const MAX_DIGITS: usize = 16;

fn hexadecimal(digits: &[u8]) -> Result<u64, Rule> {
    if digits.is_empty() {
        return Err(Rule::ChunkSize);
    }
    if digits.len() > MAX_DIGITS {
        return Err(Rule::ChunkTooLarge);
    }
    Ok(digits.iter().fold(0, |sum, digit| sum << 4 | u64::from(char::from(*digit).to_digit(16).unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decoder, Framing, Next};

    /// The body and what follows it, or the rule that is broken, with the input in pieces of `size`.
    fn read(input: &[u8], size: usize) -> Result<(Vec<u8>, usize, usize), Rule> {
        let mut decoder = Decoder::new(Framing::Chunked);
        let (mut body, mut at, mut have) = (Vec::new(), 0, 0);
        loop {
            match decoder.next(&input[at..have])? {
                Next::Data { skip, data } => {
                    at += skip;
                    body.extend_from_slice(&input[at..at + data]);
                    decoder.took(data);
                    at += data;
                }
                Next::More { skip } => {
                    at += skip;
                    if have == input.len() {
                        return Ok((body, usize::MAX, 0));
                    }
                    have = (have + size).min(input.len());
                }
                Next::End { skip, trailers } => return Ok((body, at + skip, trailers)),
            }
        }
    }

    fn same(input: &str) -> Result<(String, usize, usize), Rule> {
        let whole = read(input.as_bytes(), input.len());
        for size in 1..input.len() {
            assert_eq!(read(input.as_bytes(), size), whole, "{input:?} in pieces of {size}");
        }
        whole.map(|(body, end, trailers)| (String::from_utf8(body).unwrap(), end, trailers))
    }

    #[test]
    fn bodies_are_read_however_they_are_cut() {
        let ok = |body: &str, end, trailers| Ok((body.to_owned(), end, trailers));
        assert_eq!(same("5\r\nhello\r\n0\r\n\r\nnext"), ok("hello", 15, 2));
        assert_eq!(same("05\r\nhello\r\n1;a=b\r\n!\r\n000\r\n\r\n"), ok("hello!", 28, 2));
        assert_eq!(same("a ;x\r\n0123456789\r\n0\r\nA: b\r\n\r\n"), ok("0123456789", 29, 8));
        assert_eq!(same("5\r\nhel"), ok("hel", usize::MAX, 0));
    }

    #[test]
    fn chunks_that_lie_are_refused() {
        let long = format!("1;{}\r\n", "a".repeat(MAX_SIZE_LINE));
        for (input, rule) in [
            ("\r\n", Rule::ChunkSize),
            ("x\r\n", Rule::ChunkSize),
            ("-5\r\n", Rule::ChunkSize),
            ("+5\r\n", Rule::ChunkSize),
            ("0x5\r\n", Rule::ChunkSize),
            (" 5\r\n", Rule::ChunkSize),
            ("5 \r\nhello\r\n", Rule::ChunkSize),
            ("5,\r\n", Rule::ChunkSize),
            ("5\nhello\r\n", Rule::BareLineFeed),
            ("5\rhello\r\n", Rule::ChunkSize),
            ("5\r\rhello\r\n", Rule::ChunkSize),
            ("5;\0\r\n", Rule::ChunkExtension),
            ("5;a\rb\r\n", Rule::ChunkExtension),
            ("5\r\nhelloX\r\n", Rule::ChunkEnd),
            ("5\r\nhello\n0\r\n", Rule::ChunkEnd),
            ("5\r\nhello0\r\n\r\n", Rule::ChunkEnd),
            ("FFFFFFFFFFFFFFFFFF\r\n", Rule::ChunkTooLarge),
            ("10000000000000000\r\n", Rule::ChunkTooLarge),
            ("0\r\nA: b\n\r\n", Rule::BareLineFeed),
            (&long, Rule::ChunkExtension),
        ] {
            assert_eq!(read(input.as_bytes(), input.len()).map(|_| ()), Err(rule), "{input:?}");
            let cut = read(input.as_bytes(), 1).map(|_| ());
            assert!(cut.is_err(), "{input:?} byte by byte: {cut:?}");
        }
        // Found by the fuzzer: a size that is too large is no better for what stands behind it.
        for input in ["aaaaaaaaaaaaaaaaaaa a", "aaaaaaaaaaaaaaaaa;", "aaaaaaaaaaaaaaaaa\r"] {
            assert_eq!(same(input), Err(Rule::ChunkTooLarge), "{input:?}");
        }
        let many = "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n".repeat(200);
        assert_eq!(read(many.as_bytes(), 1000).map(|_| ()), Err(Rule::ChunkExtension));
    }
}
