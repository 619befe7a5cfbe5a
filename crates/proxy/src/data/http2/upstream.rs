//! Back ends that speak HTTP/2 without TLS: one connection a worker and back end, a stream for each request.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use http::{Method, Request, Uri};
use landfall_http1::{Framing, Limits};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::link::NoHead;
use super::super::side::{Broken, Piece, Source};
use super::body::Inward;
use super::head;
use super::out::{Out, Sends};
use crate::limits::{
    BACKEND_CONNECTION_WINDOW, BACKEND_HEAD, CONNECT_TIMEOUT, MAX_FORGOTTEN_RESETS, MAX_STREAM_WINDOW,
};
use crate::state::pool::BackendState;

/// The connections of one worker, by back end.
#[derive(Default)]
pub(crate) struct Streams(RefCell<HashMap<u64, SendRequest<Bytes>>>);

impl Streams {
    /// A stream on the connection that is there, unless it ended.
    pub(crate) async fn take(&self, backend: u64) -> Option<Stream> {
        let mut sender = self.0.borrow().get(&backend)?.clone();
        match poll_fn(|cx| sender.poll_ready(cx)).await {
            Ok(()) => Some(Stream::new(sender)),
            Err(_) => {
                self.0.borrow_mut().remove(&backend);
                None
            }
        }
    }

    /// Opens a connection, which others may use too from then on.
    pub(crate) async fn connect(&self, backend: &BackendState) -> io::Result<Stream> {
        let sender = timeout(CONNECT_TIMEOUT, open(backend.address))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if !backend.retired() {
            self.0.borrow_mut().insert(backend.number, sender.clone());
        }
        Ok(Stream::new(sender))
    }

    /// Drops the connections to back ends that no pool has any more; streams under way go on.
    pub(crate) fn forget(&self, backends: &[u64]) {
        let mut all = self.0.borrow_mut();
        for backend in backends {
            all.remove(backend);
        }
    }
}

async fn open(address: SocketAddr) -> io::Result<SendRequest<Bytes>> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(MAX_STREAM_WINDOW)
        .initial_connection_window_size(BACKEND_CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(BACKEND_HEAD.head).unwrap_or(u32::MAX))
        .max_concurrent_reset_streams(MAX_FORGOTTEN_RESETS)
        .max_send_buffer_size(MAX_STREAM_WINDOW as usize);
    let (mut sender, connection) = builder.handshake(socket).await.map_err(io::Error::other)?;
    tokio::task::spawn_local(async move {
        // Whatever goes wrong here is seen by the streams that are on the connection.
        let _ = connection.await;
    });
    poll_fn(|cx| sender.poll_ready(cx)).await.map_err(io::Error::other)?;
    Ok(sender)
}

/// A request to a back end and its answer, as the exchange sees them.
pub(crate) struct Stream {
    sender: SendRequest<Bytes>,
    method: Method,
    target: String,
    host: Vec<u8>,
    out: Out,
    answer: Option<ResponseFuture>,
    /// The head of the answer, as HTTP/1.1 has it.
    head: Vec<u8>,
    body: Option<Inward>,
}

impl Stream {
    fn new(sender: SendRequest<Bytes>) -> Self {
        Self {
            sender,
            method: Method::GET,
            target: String::new(),
            host: Vec::new(),
            out: Out::default(),
            answer: None,
            head: Vec::new(),
            body: None,
        }
    }

    /// Begins a request.
    pub(crate) fn open(&mut self, method: &[u8], target: &[&str], host: &[u8]) {
        self.host = host.to_vec();
        self.method = Method::from_bytes(method).unwrap_or(Method::GET);
        self.target = target.concat();
        self.out.start();
    }

    /// The fields are complete; a body of this framing follows.
    ///
    /// # Errors
    /// When the connection takes no more requests.
    pub(crate) fn opened(&mut self, framing: Framing) -> io::Result<()> {
        let authority = http::uri::Authority::try_from(&*self.host).map_err(io::Error::other)?;
        let target = if self.target == "*" { "/" } else { &self.target };
        let uri = Uri::builder().scheme("http").authority(authority).path_and_query(target);
        let mut request = Request::new(());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri.build().map_err(io::Error::other)?;
        *request.headers_mut() = self.out.fields()?;
        if let Framing::Length(length) = framing {
            request.headers_mut().insert(http::header::CONTENT_LENGTH, length.into());
        }
        let end = framing == Framing::None;
        let (answer, out) = self.sender.send_request(request, end).map_err(io::Error::other)?;
        self.answer = Some(answer);
        self.out.opened((!end).then_some(out));
        Ok(())
    }

    /// Waits for the head of the answer; gives its length.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>, limits: &Limits) -> Poll<Result<usize, NoHead>> {
        let Some(answer) = &mut self.answer else {
            return Poll::Ready(Err(NoHead::Ended));
        };
        let Ok(answer) = ready!(Pin::new(answer).poll(cx)) else {
            return Poll::Ready(Err(NoHead::Ended));
        };
        let (parts, body) = answer.into_parts();
        let body = Inward::new(body);
        self.answer = None;
        head::response(&http::Response::from_parts(parts, ()), body.is_end(), &mut self.head);
        self.body = Some(body);
        if self.head.len() > limits.head {
            return Poll::Ready(Err(NoHead::Rule(landfall_http1::Rule::HeadTooLarge)));
        }
        Poll::Ready(Ok(self.head.len()))
    }

    pub(crate) fn input(&self) -> &[u8] {
        &self.head
    }

    pub(crate) fn consume_head(&mut self) {
        self.head.clear();
    }
}

impl Source for Stream {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Broken>> {
        match &mut self.body {
            Some(body) => body.poll_piece(cx),
            None => Poll::Ready(Err(Broken::Ended)),
        }
    }

    fn piece(&self) -> &[u8] {
        self.body.as_ref().map_or(&[], Inward::piece)
    }

    fn consume(&mut self, count: usize) {
        if let Some(body) = &mut self.body {
            body.consume(count);
        }
    }

    fn trailers(&self) -> &[u8] {
        self.body.as_ref().map_or(&[], Inward::trailers)
    }
}

impl Sends for Stream {
    fn out(&mut self) -> &mut Out {
        &mut self.out
    }
}
