//! The bodies of a stream, both ways.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use h2::{Reason, RecvStream, SendStream};
use landfall_http1::trailers;

use super::super::side::{Broken, Piece};
use super::head;

/// The most that is handed over at once, which is what a frame holds by default (RFC 9113, section 4.2).
const MAX_FRAME: usize = 16 * 1024;

/// The body that comes in.
pub(crate) struct Inward {
    stream: RecvStream,
    piece: Bytes,
    trailers: Vec<u8>,
}

impl Inward {
    pub(crate) fn new(stream: RecvStream) -> Self {
        Self { stream, piece: Bytes::new(), trailers: Vec::new() }
    }

    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Broken>> {
        while self.piece.is_empty() {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(bytes)) => self.piece = bytes,
                Some(Err(_)) => return Poll::Ready(Err(Broken::Ended)),
                None => {
                    let fields = ready!(self.stream.poll_trailers(cx)).map_err(|_| Broken::Ended)?;
                    if let Some(fields) = fields {
                        let mut lines = Vec::new();
                        head::fields(&fields, &mut lines, |_| true);
                        lines.extend_from_slice(b"\r\n");
                        trailers(&lines, &mut self.trailers)?;
                    }
                    return Poll::Ready(Ok(Piece::End));
                }
            }
        }
        Poll::Ready(Ok(Piece::Data))
    }

    pub(crate) fn piece(&self) -> &[u8] {
        &self.piece
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.piece.advance(count);
        // It fails only for more than was received.
        let _ = self.stream.flow_control().release_capacity(count);
    }

    pub(crate) fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Whether the head was all there is.
    pub(crate) fn is_end(&self) -> bool {
        self.piece.is_empty() && self.stream.is_end_stream()
    }
}

/// The body that goes out.
pub(crate) struct Outward(SendStream<Bytes>);

impl Outward {
    pub(crate) fn new(stream: SendStream<Bytes>) -> Self {
        Self(stream)
    }

    pub(crate) fn poll_put(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let wanted = data.len().min(MAX_FRAME);
        if self.0.capacity() == 0 {
            self.0.reserve_capacity(wanted);
            match ready!(self.0.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let count = self.0.capacity().min(wanted);
        if count > 0 {
            let piece = Bytes::copy_from_slice(&data[..count]);
            self.0.send_data(piece, false).map_err(io::Error::other)?;
        }
        Poll::Ready(Ok(count))
    }

    pub(crate) fn end(&mut self, trailers: &[u8]) -> io::Result<()> {
        let sent = if trailers.is_empty() {
            self.0.send_data(Bytes::new(), true)
        } else {
            self.0.send_trailers(head::map(trailers)?)
        };
        sent.map_err(io::Error::other)
    }

    /// Waits until the other side gave the stream up.
    pub(crate) fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_reset(cx).map(|_| ())
    }

    /// Gives the stream up.
    pub(crate) fn cancel(&mut self) {
        self.0.send_reset(Reason::CANCEL);
    }
}
