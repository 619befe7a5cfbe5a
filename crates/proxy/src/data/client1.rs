//! A client that speaks HTTP/1.1: one request after the other on a connection.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use landfall_http1::{Framing, Rule, status_line};

use super::connection::{Peer, Progress};
use super::exchange::{Cut, exchange};
use super::flight::Call;
use super::http2;
use super::link::{Link, NoHead, Unread};
use super::own::refuse;
use super::request::Incoming;
use super::side::{Broken, Client, Lines, Opening, Piece, Sink, Source};
use super::socket::Socket;
use super::worker::Worker;
use crate::limits::{CLIENT_HEAD, HEAD_TIMEOUT, IDLE_CLIENT_TIMEOUT, LINGER, MAX_SKIPPED};

/// The connection, and what its present request makes of it.
pub(crate) struct Client1 {
    link: Link<Socket>,
    /// Whether the request is of HTTP/1.0.
    old: bool,
    /// Whether the connection ends after this request.
    last: bool,
    /// Whether the client waits to be told to send its body.
    continues: bool,
    /// Whether the client takes trailers.
    trailers: bool,
    /// The framing of the answer's body.
    framing: Framing,
}

/// What looks like a head at the start of an HTTP/2 connection (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";

/// Why the connection is not read on.
enum Stop {
    /// It is over, or idle for too long.
    Ended,
    /// A head did not come in time.
    Slow,
    /// A head breaks a rule.
    Rule(Rule),
}

/// Answers the requests of one connection until it ends.
pub(crate) async fn serve(worker: Rc<Worker>, socket: Socket, peer: Peer, progress: Rc<Progress>) {
    let mut client = Client1 {
        link: Link::new(socket, Rc::clone(&worker.pool)),
        old: false,
        last: false,
        continues: false,
        trailers: false,
        framing: Framing::None,
    };
    let mut first = true;
    loop {
        let length = match client.head(&worker, &progress).await {
            Ok(length) => length,
            Err(Stop::Ended) => return client.take_leave(&peer).await,
            Err(Stop::Slow) => return Box::pin(client.complain(&worker, &peer, &progress, 408)).await,
            Err(Stop::Rule(rule)) => {
                return Box::pin(client.complain(&worker, &peer, &progress, rule.status())).await;
            }
        };
        if first && client.link.input()[..length] == *PREFACE {
            return Box::pin(http2::serve(worker, Unread(client.link), peer, progress)).await;
        }
        first = false;
        let mut request = worker.take_request();
        client.link.take_head(length, &mut request.bytes);
        let bytes = std::mem::take(&mut request.bytes);
        let read = request.head.read(bytes.filled(), &CLIENT_HEAD);
        request.bytes = bytes;
        if let Err(rule) = read {
            worker.give_request(request);
            return Box::pin(client.complain(&worker, &peer, &progress, rule.status())).await;
        }
        client.begin(&request, &worker);
        let call = Call::new(&worker, &peer, &progress, &request);
        let answered = exchange(&call, &mut client).await;
        call.trace.log(&call);
        worker.give_request(request);
        if answered.is_err() {
            if client.framing == Framing::Close {
                // Its end is that of the connection: nothing but a failure tells that it is not whole.
                client.link.socket.fail();
            }
            return;
        }
        let skipped = client.skip_body(&worker, &progress).await;
        let ends = client.last || worker.closing();
        if ends && client.link.body_done() && client.link.input().is_empty() {
            // Nothing is on its way that a close could collide with.
            return;
        }
        if ends || skipped.is_err() {
            return client.linger(&worker, &progress).await;
        }
    }
}

impl Client1 {
    /// Waits for a whole head; gives its length.
    async fn head(&mut self, worker: &Worker, progress: &Progress) -> Result<usize, Stop> {
        progress.set_idle(true);
        progress.limit(worker.tick(), Some(IDLE_CLIENT_TIMEOUT));
        let mut blank = false;
        let read = poll_fn(|cx| {
            loop {
                let begun = || {
                    if progress.idle() {
                        progress.set_idle(false);
                        progress.limit(worker.tick(), Some(HEAD_TIMEOUT));
                    }
                };
                match self.link.poll_head(cx, &CLIENT_HEAD, begun) {
                    // An empty line before a request is an old habit (RFC 9112, section 2.2); one is let pass.
                    Poll::Ready(Ok(2)) if !blank => {
                        blank = true;
                        self.link.consume_input(2);
                    }
                    Poll::Ready(Ok(length)) => return Poll::Ready(Ok(length)),
                    Poll::Ready(Err(NoHead::Ended)) => return Poll::Ready(Err(Stop::Ended)),
                    Poll::Ready(Err(NoHead::Rule(rule))) => return Poll::Ready(Err(Stop::Rule(rule))),
                    Poll::Pending if progress.idle() && (progress.expired() || worker.ending()) => {
                        return Poll::Ready(Err(Stop::Ended));
                    }
                    Poll::Pending if progress.expired() => return Poll::Ready(Err(Stop::Slow)),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
        progress.set_idle(false);
        read
    }

    /// Makes ready for a request.
    fn begin(&mut self, request: &Incoming, worker: &Worker) {
        let head = &request.head;
        self.old = head.old;
        self.last = !head.keeps_alive() || worker.closing();
        self.continues = head.continues;
        self.trailers = head.trailers;
        self.framing = Framing::None;
        self.link.expect_body(head.body);
    }

    /// Answers something that is no request, and ends.
    async fn complain(&mut self, worker: &Rc<Worker>, peer: &Peer, progress: &Progress, status: u16) {
        let nothing = worker.take_request();
        self.begin(&nothing, worker);
        self.last = true;
        let call = Call::new(worker, peer, progress, &nothing);
        let refused = refuse(&call, self, status, None).await;
        call.trace.log(&call);
        if refused.is_ok() {
            self.linger(worker, progress).await;
        }
        worker.give_request(nothing);
    }

    /// Reads and drops what is left of a body that nobody wanted.
    async fn skip_body(&mut self, worker: &Worker, progress: &Progress) -> Result<(), Cut> {
        if self.link.body_done() || self.last {
            return Ok(());
        }
        progress.limit(worker.tick(), Some(LINGER));
        let mut left = MAX_SKIPPED;
        poll_fn(|cx| {
            loop {
                match self.link.poll_piece(cx) {
                    Poll::Ready(Ok(Piece::End)) => return Poll::Ready(Ok(())),
                    Poll::Ready(Ok(Piece::Data)) if self.link.piece().len() as u64 <= left => {
                        let count = self.link.piece().len();
                        left -= count as u64;
                        self.link.consume(count);
                    }
                    Poll::Pending if !progress.expired() => return Poll::Pending,
                    _ => return Poll::Ready(Err(Cut)),
                }
            }
        })
        .await
    }

    /// Ends a connection that no request is on. Through TLS that is said, as nobody else can (RFC 8446, section 6.1); what
    /// the kernel does not take at once is not waited for.
    async fn take_leave(&mut self, peer: &Peer) {
        if peer.tls.is_some() {
            poll_fn(|cx| {
                let _ = self.link.poll_shutdown(cx);
                Poll::Ready(())
            })
            .await;
        }
    }

    /// Closes so that the client can read the answer to its end: closing while it still sends would reset the connection
    /// and throw the answer away (RFC 9112, section 9.6).
    async fn linger(&mut self, worker: &Worker, progress: &Progress) {
        progress.limit(worker.tick(), Some(LINGER));
        let mut left = MAX_SKIPPED;
        let mut closed = false;
        poll_fn(|cx| {
            if !closed {
                match self.link.poll_shutdown(cx) {
                    Poll::Ready(Ok(())) => closed = true,
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => {}
                }
            }
            if closed && self.poll_drop(cx, &mut left).is_ready() || progress.expired() {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }
}

impl Client1 {
    /// Reads and drops what comes, until nothing comes any more or it was more than `left`.
    fn poll_drop(&mut self, cx: &mut Context<'_>, left: &mut u64) -> Poll<()> {
        loop {
            let count = self.link.input().len();
            self.link.consume_input(count);
            match ready!(self.link.poll_fill(cx)) {
                Ok(count) if count > 0 && count as u64 <= *left => *left -= count as u64,
                _ => return Poll::Ready(()),
            }
        }
    }
}

impl Source for Client1 {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Broken>> {
        self.link.poll_piece(cx)
    }

    fn piece(&self) -> &[u8] {
        self.link.piece()
    }

    fn consume(&mut self, count: usize) {
        self.link.consume(count);
    }

    fn trailers(&self) -> &[u8] {
        self.link.trailers()
    }
}

impl Sink for Client1 {
    fn poll_put(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.link.poll_put(cx, data)
    }

    fn end(&mut self, trailers: &[u8]) -> io::Result<()> {
        self.link.end(if self.trailers { trailers } else { &[] })
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link.poll_flush(cx)
    }
}

impl Lines for Client1 {
    fn lines(&mut self, lines: &[u8]) {
        self.link.lines(lines);
    }
}

impl Client for Client1 {
    fn open(&mut self, opening: &Opening<'_>) {
        self.continues = false;
        self.last |= opening.last;
        self.link.start();
        status_line(self.old, opening.status, opening.reason, &mut self.link.output);
        if let Some(protocol) = opening.upgrade {
            self.link.lines(b"connection: upgrade\r\nupgrade: ");
            self.link.lines(protocol);
            self.link.lines(b"\r\n");
            return;
        }
        self.framing = match (opening.body, opening.length) {
            (false, _) => Framing::None,
            (true, Some(length)) => Framing::Length(length),
            (true, None) if self.old => Framing::Close,
            (true, None) => Framing::Chunked,
        };
        match (self.framing, opening.length) {
            (Framing::Chunked, _) => self.link.lines(b"transfer-encoding: chunked\r\n"),
            (_, Some(length)) if opening.status >= 200 && opening.status != 204 => self.link.length(length),
            _ => {}
        }
        self.last |= self.framing == Framing::Close;
        match (self.last, self.old) {
            (true, _) => self.link.lines(b"connection: close\r\n"),
            (false, true) => self.link.lines(b"connection: keep-alive\r\n"),
            (false, false) => {}
        }
    }

    fn opened(&mut self) -> io::Result<()> {
        self.link.lines(b"\r\n");
        self.link.body_follows(self.framing);
        Ok(())
    }

    fn interim(&mut self, status: u16, reason: &[u8], lines: &[u8]) {
        if !self.old {
            self.link.start();
            status_line(false, status, reason, &mut self.link.output);
            self.link.lines(lines);
            self.link.lines(b"\r\n");
        }
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // What comes now is of the next request; a client that sends much of it is not watched any more.
        while self.link.input().len() < MAX_PIPELINED {
            match ready!(self.link.poll_fill(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
        Poll::Pending
    }

    fn can_skip_body(&self) -> bool {
        !self.continues && (self.link.body_done() || self.link.left().is_some_and(|left| left <= MAX_SKIPPED))
    }

    fn go_on(&mut self) {
        if std::mem::take(&mut self.continues) && self.link.input().is_empty() {
            self.link.start();
            self.link.lines(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    fn tunnel(&mut self) {
        self.last = true;
        self.link.raw();
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link.poll_shutdown(cx)
    }
}

/// Bytes of requests that a client sends before it has its answer; more wait in the kernel.
const MAX_PIPELINED: usize = 2 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what an async function's call keeps.
    fn size<A, B, C, D, F>(_: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_that_waits_takes_little_memory() {
        let size = size(serve);
        assert!(size <= 1920, "{size} bytes");
    }
}
