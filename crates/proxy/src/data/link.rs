//! An HTTP/1.1 connection, to a client or to a back end: what was read of it, what is to be written, the bodies both ways.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use landfall_http1::{Decoder, Encoder, Framing, Limits, Next, Rule, Scan, decimal, trailers};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::buffer::{Buffer, Pool};
use super::side::{Broken, Lines, Piece, Sink, Source};
use super::socket::Wire;

/// Pieces up to this many bytes are copied behind what is to be written, larger ones go straight to the socket.
const MAX_COPY: usize = 16 * 1024;
/// No more is taken while so many bytes wait to be written.
const HIGH_WATER: usize = 64 * 1024;
/// The largest size of buffer, by number.
const LARGEST: u8 = 3;

/// Why a head did not come.
#[derive(Debug)]
pub(crate) enum NoHead {
    /// The connection ended or failed.
    Ended,
    /// It breaks a rule.
    Rule(Rule),
}

/// One connection.
pub(crate) struct Link<S> {
    pub(crate) socket: S,
    pool: Rc<Pool>,
    input: Buffer,
    scan: Scan,
    decoder: Decoder,
    /// Bytes of the body at the front of the input.
    piece: usize,
    /// Trailer lines of the body that was read.
    trailers: Vec<u8>,
    pub(crate) output: Vec<u8>,
    written: usize,
    pub(crate) encoder: Encoder,
    /// The size of buffer that reads were worth lately.
    class: u8,
    /// The other side will send nothing more.
    ended: bool,
}

impl<S: Wire> Link<S> {
    pub(crate) fn new(socket: S, pool: Rc<Pool>) -> Self {
        Self {
            socket,
            pool,
            input: Buffer::default(),
            scan: Scan::default(),
            decoder: Decoder::new(Framing::None),
            piece: 0,
            trailers: Vec::new(),
            output: Vec::new(),
            written: 0,
            encoder: Encoder::new(Framing::None),
            class: 0,
            ended: false,
        }
    }

    /// What was read and is not used yet.
    pub(crate) fn input(&self) -> &[u8] {
        self.input.filled()
    }

    /// Drops the first bytes of it.
    pub(crate) fn consume_input(&mut self, count: usize) {
        self.input.consume(count);
        self.release();
    }

    /// Makes ready to write a message.
    pub(crate) fn start(&mut self) {
        if self.output.capacity() == 0 {
            self.output = self.pool.take_output();
        }
    }

    /// Puts the length of a body into a head.
    pub(crate) fn length(&mut self, length: u64) {
        self.output.extend_from_slice(b"content-length: ");
        decimal(length, &mut self.output);
        self.output.extend_from_slice(b"\r\n");
    }

    /// The head is complete: a body of this framing follows.
    pub(crate) fn body_follows(&mut self, framing: Framing) {
        self.encoder = Encoder::new(framing);
    }

    /// The body that is read next has this framing.
    pub(crate) fn expect_body(&mut self, framing: Framing) {
        self.decoder = Decoder::new(framing);
        self.trailers.clear();
        self.piece = 0;
        self.class = 0;
    }

    /// The bytes of the body that are left, where its head told.
    pub(crate) fn left(&self) -> Option<u64> {
        self.decoder.left()
    }

    /// Whether the body that is read was read to its end.
    pub(crate) fn body_done(&self) -> bool {
        self.decoder.done()
    }

    /// Makes bytes pass as they are, both ways, those included that were read already.
    pub(crate) fn raw(&mut self) {
        self.expect_body(Framing::Close);
        self.encoder = Encoder::new(Framing::Close);
    }

    /// Waits for a whole head at the front of the input; gives its length. `begun` is told when its first byte is there.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        limits: &Limits,
        mut begun: impl FnMut(),
    ) -> Poll<Result<usize, NoHead>> {
        loop {
            if !self.input.is_empty() {
                begun();
                match self.scan.end(self.input.filled(), limits) {
                    Ok(Some(length)) => {
                        self.scan = Scan::default();
                        return Poll::Ready(Ok(length));
                    }
                    Ok(None) => {}
                    Err(rule) => return Poll::Ready(Err(NoHead::Rule(rule))),
                }
            }
            match ready!(self.poll_fill(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(Err(NoHead::Ended)),
                Ok(_) => {}
            }
        }
    }

    /// Moves the first `length` bytes of the input into `head`; without a copy when nothing follows them.
    pub(crate) fn take_head(&mut self, length: usize, head: &mut Buffer) {
        if self.input.filled().len() == length {
            std::mem::swap(head, &mut self.input);
            self.pool.give(&mut self.input);
            return;
        }
        if !head.is_allocated() {
            *head = self.pool.take(0);
        }
        while head.spare().len() < length && self.pool.grow(head) {}
        head.append(&self.input.filled()[..length]);
        self.input.consume(length);
    }

    /// Reads once. 0 says that nothing more comes.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.ended {
            return Poll::Ready(Ok(0));
        }
        if !self.input.is_allocated() {
            ready!(self.socket.poll_readable(cx))?;
            self.input = self.pool.take(self.class);
        } else if self.input.is_full() && !self.pool.grow(&mut self.input) {
            return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
        }
        let room = self.input.spare();
        let size = room.len();
        let mut buffer = ReadBuf::new(room);
        let read = Pin::new(&mut self.socket).poll_read(cx, &mut buffer);
        let count = buffer.filled().len();
        self.input.fill(count);
        match read {
            Poll::Ready(Ok(())) => {
                self.ended = count == 0;
                if count == size && self.class < LARGEST {
                    self.class += 1;
                }
                self.release();
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => {
                self.ended = true;
                self.release();
                Poll::Ready(Err(error))
            }
            Poll::Pending => {
                self.release();
                Poll::Pending
            }
        }
    }

    /// Gives an empty buffer back.
    fn release(&mut self) {
        if self.input.is_empty() && self.input.is_allocated() {
            self.pool.give(&mut self.input);
        }
    }

    /// Ends the writing side, once everything is written.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn read_trailers(&mut self, skip: usize, length: usize) -> Result<(), Rule> {
        // The two bytes of the empty line alone are no trailers.
        if length > 2 {
            let lines = &self.input.filled()[skip - length..skip];
            trailers(lines, &mut self.trailers)?;
        }
        Ok(())
    }
}

impl<S: Wire> Source for Link<S> {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Broken>> {
        loop {
            match self.decoder.next(self.input.filled())? {
                Next::Data { skip, data } => {
                    self.input.consume(skip);
                    self.piece = data;
                    return Poll::Ready(Ok(Piece::Data));
                }
                Next::End { skip, trailers } => {
                    self.read_trailers(skip, trailers)?;
                    self.consume_input(skip);
                    return Poll::Ready(Ok(Piece::End));
                }
                Next::More { skip } => {
                    self.consume_input(skip);
                    // Framing that was read is dropped, so that what is left is read on with all the room.
                    if ready!(self.poll_fill(cx))? == 0 {
                        let whole = self.decoder.ends_with_connection();
                        return Poll::Ready(if whole { Ok(Piece::End) } else { Err(Broken::Ended) });
                    }
                }
            }
        }
    }

    fn piece(&self) -> &[u8] {
        &self.input.filled()[..self.piece]
    }

    fn consume(&mut self, count: usize) {
        self.input.consume(count);
        self.decoder.took(count);
        self.piece -= count;
        self.release();
    }

    fn trailers(&self) -> &[u8] {
        &self.trailers
    }
}

impl<S: Wire> Sink for Link<S> {
    fn poll_put(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.output.len() - self.written >= HIGH_WATER {
            ready!(self.poll_flush(cx))?;
        }
        if self.output.capacity() == 0 {
            self.output = self.pool.take_output();
        }
        let room = self.encoder.begin(data.len(), &mut self.output);
        if room == 0 {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        if room <= MAX_COPY {
            self.output.extend_from_slice(&data[..room]);
            self.encoder.sent(room, &mut self.output);
            return Poll::Ready(Ok(room));
        }
        let waiting = self.output.len() - self.written;
        let slices = [IoSlice::new(&self.output[self.written..]), IoSlice::new(&data[..room])];
        let slices = if waiting == 0 { &slices[1..] } else { &slices[..] };
        let count = ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, slices))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        if count < waiting {
            self.written += count;
            return Poll::Ready(Ok(0));
        }
        self.output.clear();
        self.written = 0;
        self.encoder.sent(count - waiting, &mut self.output);
        Poll::Ready(Ok(count - waiting))
    }

    fn end(&mut self, trailers: &[u8]) -> io::Result<()> {
        if self.output.capacity() == 0 {
            self.output = self.pool.take_output();
        }
        if self.encoder.end(trailers, &mut self.output) {
            Ok(())
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.output.len() {
            let count = ready!(Pin::new(&mut self.socket).poll_write(cx, &self.output[self.written..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
        }
        if self.output.capacity() > 0 {
            self.pool.give_output(&mut self.output);
            self.written = 0;
        }
        Pin::new(&mut self.socket).poll_flush(cx)
    }
}

impl<S> Lines for Link<S> {
    fn lines(&mut self, lines: &[u8]) {
        self.output.extend_from_slice(lines);
    }
}

impl<S> Drop for Link<S> {
    fn drop(&mut self) {
        self.pool.give(&mut self.input);
        self.pool.give_output(&mut self.output);
    }
}

/// A connection whose input was read by mistake: it is given once more to whom it is for.
pub(crate) struct Unread<S>(pub(crate) Link<S>);

impl<S: Wire> AsyncRead for Unread<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let link = &mut self.0;
        let count = link.input().len().min(buffer.remaining());
        if count > 0 {
            buffer.put_slice(&link.input()[..count]);
            link.consume_input(count);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut link.socket).poll_read(cx, buffer)
    }
}

impl<S: Wire> AsyncWrite for Unread<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.socket).poll_shutdown(cx)
    }
}
