//! A client that speaks HTTP/2: a connection, and a task for each of its streams.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response, StatusCode};
use landfall_http1::{Rule, Scan};
use tokio::io::{AsyncRead, AsyncWrite};

use super::super::connection::{Peer, Progress};
use super::super::exchange::exchange;
use super::super::flight::Call;
use super::super::own::refuse;
use super::super::registered::Registered;
use super::super::side::{Broken, Client, Lines as _, Opening, Piece, Source};
use super::super::worker::Worker;
use super::body::Inward;
use super::head::{self, Written};
use super::out::{Out, Sends};
use crate::limits::{
    CLIENT_HEAD, HEAD_TIMEOUT, IDLE_CLIENT_TIMEOUT, MAX_CONNECTION_WINDOW, MAX_FORGOTTEN_RESETS,
    MAX_PENDING_RESETS, MAX_RESETS, MAX_STREAM_WINDOW, MAX_STREAMS,
};

/// What the streams of one connection share.
#[derive(Default)]
struct Streams {
    open: Cell<u32>,
    begun: Cell<u32>,
    /// Streams that the client gave up before their answer had begun.
    given_up: Cell<u32>,
}

impl Streams {
    /// Whether the client mostly makes work and throws it away (CVE-2023-44487).
    fn abusive(&self) -> bool {
        let given_up = self.given_up.get();
        given_up > MAX_RESETS && given_up > self.begun.get() / 2
    }
}

/// Answers the requests of a connection until it ends.
pub(crate) async fn serve<S>(worker: Rc<Worker>, socket: S, peer: Peer, progress: Rc<Progress>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(CLIENT_HEAD.head).unwrap_or(u32::MAX))
        .initial_window_size(MAX_STREAM_WINDOW)
        .initial_connection_window_size(MAX_CONNECTION_WINDOW)
        .max_concurrent_reset_streams(MAX_FORGOTTEN_RESETS)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(Some(MAX_FORGOTTEN_RESETS))
        .reset_stream_duration(Duration::from_secs(1))
        .max_send_buffer_size(MAX_STREAM_WINDOW as usize)
        .enable_connect_protocol();
    progress.limit(worker.tick(), Some(HEAD_TIMEOUT));
    let mut handshake = std::pin::pin!(builder.handshake::<_, Bytes>(socket));
    let made = poll_fn(|cx| match handshake.as_mut().poll(cx) {
        Poll::Ready(made) => Poll::Ready(made.ok()),
        Poll::Pending if progress.expired() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    if let Some(connection) = made.await {
        streams(&worker, connection, peer, &progress).await;
    }
}

async fn streams<S>(
    worker: &Rc<Worker>,
    mut connection: Connection<S, Bytes>,
    peer: Peer,
    progress: &Progress,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let peer = Rc::new(Peer { protocol: "HTTP/2", ..peer });
    let streams = Rc::new(Streams::default());
    let (mut ending, mut idle) = (false, false);
    loop {
        let accepted = poll_fn(|cx| {
            if let Poll::Ready(accepted) = connection.poll_accept(cx) {
                return Poll::Ready(accepted);
            }
            if streams.abusive() {
                connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                // What is left is to send this.
                return connection.poll_accept(cx);
            }
            let now_idle = streams.open.get() == 0;
            if now_idle != idle {
                idle = now_idle;
                progress.limit(worker.tick(), idle.then_some(IDLE_CLIENT_TIMEOUT));
            }
            progress.set_idle(idle || worker.closing());
            if !ending && (worker.closing() || progress.expired()) {
                ending = true;
                connection.graceful_shutdown();
                return connection.poll_accept(cx);
            }
            if ending && progress.expired() { Poll::Ready(None) } else { Poll::Pending }
        })
        .await;
        let Some(Ok((request, respond))) = accepted else { return };
        streams.open.set(streams.open.get() + 1);
        streams.begun.set(streams.begun.get() + 1);
        idle = false;
        progress.limit(worker.tick(), None);
        let stream =
            Stream { worker: Rc::clone(worker), peer: Rc::clone(&peer), streams: Rc::clone(&streams) };
        tokio::task::spawn_local(stream.run(request, respond));
    }
}

/// One stream.
struct Stream {
    worker: Rc<Worker>,
    peer: Rc<Peer>,
    streams: Rc<Streams>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.streams.open.set(self.streams.open.get() - 1);
    }
}

impl Stream {
    async fn run(self, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
        let registered = Registered::stream(&self.worker);
        registered.attach().await;
        let (parts, body) = request.into_parts();
        let body = Inward::new(body);
        let protocol = parts.extensions.get::<h2::ext::Protocol>().cloned();
        let head = Request::from_parts(parts, ());
        let mut text = Vec::new();
        let key = self.worker.request_id();
        let protocol = protocol.as_ref().map(h2::ext::Protocol::as_str);
        let written = head::request(&head, body.is_end(), protocol, &key, &mut text);
        let mut incoming = self.worker.take_request();
        incoming.bytes.replace(text);
        let bytes = std::mem::take(&mut incoming.bytes);
        let whole = Scan::default().end(bytes.filled(), &CLIENT_HEAD);
        let read = match written {
            Ok(_) if whole != Ok(Some(bytes.filled().len())) => Err(400),
            Ok(_) => incoming.head.read(bytes.filled(), &CLIENT_HEAD).map_err(Rule::status),
            Err(()) => Err(400),
        };
        incoming.bytes = bytes;
        let mut client = Client2 {
            respond,
            body,
            out: Out::default(),
            opening: None,
            continues: incoming.head.continues,
            tunnel: matches!(written, Ok(Written::Tunnel)),
        };
        let call = Call::new(&self.worker, &self.peer, registered.progress(), &incoming);
        let answered = match read {
            _ if *head.method() == http::Method::CONNECT && !client.tunnel => {
                refuse(&call, &mut client, 405, None).await
            }
            Ok(()) => exchange(&call, &mut client).await,
            Err(status) => refuse(&call, &mut client, status, None).await,
        };
        call.trace.log(&call);
        if answered.is_err() {
            match client.out.body() {
                Some(out) => out.cancel(),
                None => {
                    self.streams.given_up.set(self.streams.given_up.get() + 1);
                    client.respond.send_reset(Reason::CANCEL);
                }
            }
        }
        self.worker.give_request(incoming);
    }
}

/// A stream as the exchange sees it.
struct Client2 {
    respond: SendResponse<Bytes>,
    body: Inward,
    /// The answer.
    out: Out,
    /// The status of an answer that is being begun, and whether a body follows.
    opening: Option<(StatusCode, bool)>,
    continues: bool,
    tunnel: bool,
}

impl Source for Client2 {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Broken>> {
        self.body.poll_piece(cx)
    }

    fn piece(&self) -> &[u8] {
        self.body.piece()
    }

    fn consume(&mut self, count: usize) {
        self.body.consume(count);
    }

    fn trailers(&self) -> &[u8] {
        self.body.trailers()
    }
}

impl Sends for Client2 {
    fn out(&mut self) -> &mut Out {
        &mut self.out
    }
}

impl Client for Client2 {
    fn open(&mut self, opening: &Opening<'_>) {
        self.out.start();
        // A tunnel over a stream is begun by an ordinary success (RFC 8441, section 5).
        let upgraded = opening.upgrade.is_some() && self.tunnel;
        let status = if upgraded { StatusCode::OK } else { status(opening.status) };
        self.opening = Some((status, opening.body || upgraded));
        if let Some(length) = opening.length.filter(|_| status != StatusCode::NO_CONTENT) {
            let mut line = b"content-length: ".to_vec();
            landfall_http1::decimal(length, &mut line);
            line.extend_from_slice(b"\r\n");
            self.lines(&line);
        }
    }

    fn opened(&mut self) -> io::Result<()> {
        let (status, body) = self.opening.take().ok_or(io::ErrorKind::InvalidInput)?;
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.headers_mut() = self.out.fields()?;
        let stream = self.respond.send_response(response, !body).map_err(io::Error::other)?;
        self.out.opened(body.then_some(stream));
        Ok(())
    }

    fn interim(&mut self, code: u16, _: &[u8], lines: &[u8]) {
        let mut response = Response::new(());
        *response.status_mut() = status(code);
        if let Ok(fields) = head::map(lines) {
            *response.headers_mut() = fields;
            // A client that is gone is seen by what follows.
            let _ = self.respond.send_informational(response);
        }
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.out.body() {
            Some(body) => body.poll_reset(cx),
            None => self.respond.poll_reset(cx).map(|_| ()),
        }
    }

    fn can_skip_body(&self) -> bool {
        // Only the stream ends, not the connection.
        true
    }

    fn go_on(&mut self) {
        if std::mem::take(&mut self.continues) {
            self.interim(100, b"", b"");
        }
    }

    fn tunnel(&mut self) {}

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY)
}
