//! The two streams of a container in one: how the engine puts them together, taken apart again. Pure.

use landfall_model::Stream;

/// The bytes before each piece: the stream, three zeros, the length (big endian).
const HEADER: usize = 8;

/// Takes pieces apart as they come.
#[derive(Debug)]
pub(crate) struct Frames {
    /// With a terminal there is one stream, and no headers.
    tty: bool,
    stream: Stream,
    /// Of the piece that has begun, what is still to come.
    left: usize,
    /// A header that is not whole.
    header: Vec<u8>,
}

impl Frames {
    pub(crate) fn new(tty: bool) -> Self {
        Self { tty, stream: Stream::Out, left: 0, header: Vec::with_capacity(HEADER) }
    }

    /// Gives on what is in `bytes`, as far as it goes. `end` says where a piece ends.
    pub(crate) fn take(&mut self, mut bytes: &[u8], mut give: impl FnMut(Stream, &[u8])) {
        if self.tty {
            return give(Stream::Out, bytes);
        }
        while !bytes.is_empty() {
            if self.left == 0 {
                let (head, rest) = bytes.split_at(bytes.len().min(HEADER - self.header.len()));
                self.header.extend_from_slice(head);
                bytes = rest;
                if let [stream, _, _, _, length @ ..] = self.header.as_slice()
                    && let Ok(length) = <[u8; 4]>::try_from(length)
                {
                    self.stream = if *stream == 2 { Stream::Err } else { Stream::Out };
                    self.left = u32::from_be_bytes(length) as usize;
                    self.header.clear();
                }
                continue;
            }
            let (piece, rest) = bytes.split_at(bytes.len().min(self.left));
            give(self.stream, piece);
            self.left -= piece.len();
            bytes = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_may_be_cut_anywhere() {
        let whole = [
            &[1, 0, 0, 0, 0, 0, 0, 3][..],
            b"out",
            &[2, 0, 0, 0, 0, 0, 0, 3],
            b"err",
            &[1, 0, 0, 0, 0, 0, 0, 0],
        ];
        let whole = whole.concat();
        for cut in 0..whole.len() {
            let (mut frames, mut seen) = (Frames::new(false), (Vec::new(), Vec::new()));
            for part in [&whole[..cut], &whole[cut..]] {
                frames.take(part, |stream, piece| match stream {
                    Stream::Out => seen.0.extend_from_slice(piece),
                    Stream::Err => seen.1.extend_from_slice(piece),
                });
            }
            assert_eq!(seen, (b"out".to_vec(), b"err".to_vec()), "{cut}");
        }
    }
}
