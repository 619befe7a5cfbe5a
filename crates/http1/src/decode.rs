//! Finds a body's bytes in what is read.

use crate::chunk::{Chunks, State, Step};
use crate::{Framing, Rule};

/// What lies at the start of the input. `skip` bytes are framing: they are dropped before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Behind the framing are so many bytes of the body. [`Decoder::took`] tells how many were taken.
    Data {
        /// Bytes of framing.
        skip: usize,
        /// Bytes of the body.
        data: usize,
    },
    /// More must be read.
    More {
        /// Bytes of framing.
        skip: usize,
    },
    /// The body is complete. The last `trailers` bytes of what is skipped are its trailer lines with the empty line at
    /// their end; 0 when it is not chunked.
    End {
        /// Bytes of framing.
        skip: usize,
        /// How many of them are trailers.
        trailers: usize,
    },
}

/// Follows the body of one message.
#[derive(Debug, Clone, Copy)]
pub struct Decoder(Kind);

#[derive(Debug, Clone, Copy)]
enum Kind {
    Length(u64),
    Chunked(Chunks),
    Close,
}

impl Decoder {
    /// One for a body of this framing.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        Self(match framing {
            Framing::None => Kind::Length(0),
            Framing::Length(length) => Kind::Length(length),
            Framing::Chunked => Kind::Chunked(Chunks::new()),
            Framing::Close => Kind::Close,
        })
    }

    /// Looks at the input, which begins where the last skipped or taken byte was.
    ///
    /// # Errors
    /// The rule that a chunk breaks. Nothing of the body can be trusted then.
    pub fn next(&mut self, input: &[u8]) -> Result<Next, Rule> {
        match &mut self.0 {
            Kind::Length(0) => Ok(Next::End { skip: 0, trailers: 0 }),
            Kind::Length(_) | Kind::Close if input.is_empty() => Ok(Next::More { skip: 0 }),
            Kind::Length(left) => Ok(Next::Data {
                skip: 0,
                data: usize::try_from(*left).unwrap_or(usize::MAX).min(input.len()),
            }),
            Kind::Close => Ok(Next::Data { skip: 0, data: input.len() }),
            Kind::Chunked(chunks) => {
                let mut skip = 0;
                loop {
                    match chunks.step(&input[skip..])? {
                        Step::Skip(count) => skip += count,
                        Step::More => return Ok(Next::More { skip }),
                        Step::Data(data) => return Ok(Next::Data { skip, data }),
                        Step::End(trailers) => return Ok(Next::End { skip: skip + trailers, trailers }),
                    }
                }
            }
        }
    }

    /// So many bytes of the data that [`Decoder::next`] found were taken.
    pub fn took(&mut self, count: usize) {
        match &mut self.0 {
            Kind::Length(left) => *left -= (count as u64).min(*left),
            Kind::Chunked(chunks) => chunks.took(count),
            Kind::Close => {}
        }
    }

    /// Whether the end of the connection is the end of the body.
    #[must_use]
    pub fn ends_with_connection(&self) -> bool {
        matches!(self.0, Kind::Close)
    }

    /// Whether the body is complete.
    #[must_use]
    pub fn done(&self) -> bool {
        match &self.0 {
            Kind::Length(left) => *left == 0,
            Kind::Chunked(chunks) => chunks.state == State::Done,
            Kind::Close => false,
        }
    }

    /// Bytes that are still to come, where the head said how many.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        match &self.0 {
            Kind::Length(left) => Some(*left),
            Kind::Chunked(_) | Kind::Close => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_kept() {
        let mut decoder = Decoder::new(Framing::Length(5));
        assert_eq!(decoder.next(b""), Ok(Next::More { skip: 0 }));
        assert_eq!(decoder.next(b"hel"), Ok(Next::Data { skip: 0, data: 3 }));
        decoder.took(3);
        assert_eq!((decoder.left(), decoder.done()), (Some(2), false));
        assert_eq!(decoder.next(b"lo, next"), Ok(Next::Data { skip: 0, data: 2 }));
        decoder.took(2);
        assert_eq!(decoder.next(b", next"), Ok(Next::End { skip: 0, trailers: 0 }));
        assert!(decoder.done());
    }

    #[test]
    fn a_body_until_the_end_has_no_end_of_its_own() {
        let mut decoder = Decoder::new(Framing::Close);
        assert_eq!(decoder.next(b"abc"), Ok(Next::Data { skip: 0, data: 3 }));
        decoder.took(3);
        assert_eq!(decoder.next(b""), Ok(Next::More { skip: 0 }));
        assert!(decoder.ends_with_connection() && !decoder.done() && decoder.left().is_none());
        assert!(Decoder::new(Framing::None).done());
    }
}
