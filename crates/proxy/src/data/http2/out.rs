//! What goes out on a stream, an answer to a client or a request to a back end: the lines of its head, then its body.

use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::SendStream;
use http::HeaderMap;

use super::super::side::{Lines, Sink};
use super::body::Outward;
use super::head;

/// The lines that were said so far, and where the body goes once the head went.
#[derive(Default)]
pub(crate) struct Out {
    lines: Vec<u8>,
    body: Option<Outward>,
}

impl Out {
    /// Forgets what was said before.
    pub(crate) fn start(&mut self) {
        self.lines.clear();
    }

    /// The lines as fields.
    ///
    /// # Errors
    /// When they cannot be said in HTTP/2.
    pub(crate) fn fields(&self) -> io::Result<HeaderMap> {
        head::map(&self.lines)
    }

    /// The head went; its body, if one follows, goes here.
    pub(crate) fn opened(&mut self, body: Option<SendStream<Bytes>>) {
        self.body = body.map(Outward::new);
    }

    /// Where the body goes, once the head went.
    pub(crate) fn body(&mut self) -> Option<&mut Outward> {
        self.body.as_mut()
    }
}

/// Who sends on a stream.
pub(crate) trait Sends {
    /// What it sends.
    fn out(&mut self) -> &mut Out;
}

impl<T: Sends> Sink for T {
    fn poll_put(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self.out().body() {
            Some(body) => body.poll_put(cx, data),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn end(&mut self, trailers: &[u8]) -> io::Result<()> {
        self.out().body().map_or(Ok(()), |body| body.end(trailers))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection's own task writes.
        Poll::Ready(Ok(()))
    }
}

impl<T: Sends> Lines for T {
    fn lines(&mut self, lines: &[u8]) {
        self.out().lines.extend_from_slice(lines);
    }
}
