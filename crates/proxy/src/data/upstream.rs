//! A back end's side of an exchange, in HTTP/1.1 or HTTP/2.

use std::io;
use std::task::{Context, Poll};

use landfall_http1::{Framing, Limits};
use tokio::net::TcpStream;

use super::headers::field;
use super::http2;
use super::link::{Link, NoHead};
use super::side::{Broken, Lines, Piece, Sink, Source};

/// What one request is sent on.
pub(crate) struct Lease {
    pub(crate) side: Upstream,
    /// Whether another request was on the connection before, so that the back end may have closed it meanwhile.
    pub(crate) used: bool,
}

/// A back end as an exchange sees it.
pub(crate) enum Upstream {
    /// A connection of its own; in a box that it keeps from request to request.
    One(Box<Link<TcpStream>>),
    /// A stream of a connection that others use too.
    Two(Box<http2::Stream>),
}

impl Upstream {
    /// Begins a request; fields follow, then [`Upstream::opened`].
    pub(crate) fn open(&mut self, method: &[u8], target: &[&str], host: &[u8]) {
        match self {
            Self::One(link) => {
                link.start();
                link.lines(method);
                link.lines(b" ");
                target.iter().for_each(|part| link.lines(part.as_bytes()));
                link.lines(b" HTTP/1.1\r\n");
                field(&mut **link, "host", host);
            }
            Self::Two(stream) => stream.open(method, target, host),
        }
    }

    /// The fields are complete; a body of this framing follows. `tell` says that one that has none should be said to.
    ///
    /// # Errors
    /// When the connection takes no more requests.
    pub(crate) fn opened(&mut self, framing: Framing, tell: bool, upgrade: Option<&[u8]>) -> io::Result<()> {
        let link = match self {
            Self::One(link) => link,
            // There is no way to change the protocol of a stream.
            Self::Two(stream) => return stream.opened(framing),
        };
        if let Some(protocol) = upgrade {
            link.lines(b"connection: upgrade\r\n");
            field(&mut **link, "upgrade", protocol);
        }
        match framing {
            Framing::Length(length) => link.length(length),
            Framing::Chunked => link.lines(b"transfer-encoding: chunked\r\n"),
            Framing::None if tell => link.length(0),
            Framing::None | Framing::Close => {}
        }
        link.lines(b"\r\n");
        link.body_follows(framing);
        Ok(())
    }

    /// Waits for the head of an answer at the front of [`Upstream::input`]; gives its length.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>, limits: &Limits) -> Poll<Result<usize, NoHead>> {
        match self {
            Self::One(link) => link.poll_head(cx, limits, || {}),
            Self::Two(stream) => stream.poll_head(cx, limits),
        }
    }

    pub(crate) fn input(&self) -> &[u8] {
        match self {
            Self::One(link) => link.input(),
            Self::Two(stream) => stream.input(),
        }
    }

    /// The head is done with.
    pub(crate) fn consume_head(&mut self, length: usize) {
        match self {
            Self::One(link) => link.consume_input(length),
            Self::Two(stream) => stream.consume_head(),
        }
    }

    /// The body of the answer has this framing.
    pub(crate) fn expect_body(&mut self, framing: Framing) {
        if let Self::One(link) = self {
            link.expect_body(framing);
        }
    }

    /// Makes bytes pass as they are, both ways.
    pub(crate) fn raw(&mut self) {
        if let Self::One(link) = self {
            link.raw();
        }
    }

    /// Ends the way to the back end, once everything is on it.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::One(link) => link.poll_shutdown(cx),
            Self::Two(_) => Poll::Ready(Ok(())),
        }
    }
}

impl Source for Upstream {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Broken>> {
        match self {
            Self::One(link) => link.poll_piece(cx),
            Self::Two(stream) => stream.poll_piece(cx),
        }
    }

    fn piece(&self) -> &[u8] {
        match self {
            Self::One(link) => link.piece(),
            Self::Two(stream) => stream.piece(),
        }
    }

    fn consume(&mut self, count: usize) {
        match self {
            Self::One(link) => link.consume(count),
            Self::Two(stream) => stream.consume(count),
        }
    }

    fn trailers(&self) -> &[u8] {
        match self {
            Self::One(link) => link.trailers(),
            Self::Two(stream) => stream.trailers(),
        }
    }
}

impl Sink for Upstream {
    fn poll_put(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::One(link) => link.poll_put(cx, data),
            Self::Two(stream) => stream.poll_put(cx, data),
        }
    }

    fn end(&mut self, trailers: &[u8]) -> io::Result<()> {
        match self {
            Self::One(link) => link.end(trailers),
            Self::Two(stream) => stream.end(trailers),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::One(link) => link.poll_flush(cx),
            Self::Two(stream) => stream.poll_flush(cx),
        }
    }
}

impl Lines for Upstream {
    fn lines(&mut self, lines: &[u8]) {
        match self {
            Self::One(link) => link.lines(lines),
            Self::Two(stream) => stream.lines(lines),
        }
    }
}
