//! One client connection: its socket, what it is doing, and what its requests share.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use http::HeaderValue;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::scan::Scanner;
use crate::limits::{HEAD_TIMEOUT, IDLE_CLIENT_TIMEOUT, SWEEP};

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Between requests.
    Idle,
    /// A head is being read.
    Head,
    /// A request is being answered.
    Busy,
    /// The answer is complete but not yet with the kernel.
    Flushing,
}

/// Shared by the socket, the requests and the sweeper, all on one thread; atomic only because hyper wants sockets that
/// may be sent to another.
#[derive(Debug)]
pub(crate) struct Progress {
    phase: AtomicU8,
    /// The tick in which the phase began.
    since: AtomicU32,
    /// The current tick: the sweeper counts it up.
    now: Arc<AtomicU32>,
    /// Whether the last head had both framing fields, and whether it was seen whole.
    both: AtomicBool,
    sure: AtomicBool,
}

impl Progress {
    pub(crate) fn new(now: Arc<AtomicU32>) -> Self {
        let since = now.load(Ordering::Relaxed);
        Self {
            phase: AtomicU8::new(Phase::Idle as u8),
            since: AtomicU32::new(since),
            now,
            both: AtomicBool::new(false),
            sure: AtomicBool::new(false),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Busy,
            _ => Phase::Flushing,
        }
    }

    pub(crate) fn set(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
        self.since.store(self.now.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// A request was taken: what is known of the framing of its head. `None` when the head was not read on its own
    /// (a pipelined one), `Some(true)` when it had both framing fields.
    pub(crate) fn take_framing(&self) -> Option<bool> {
        self.sure.swap(false, Ordering::Relaxed).then(|| self.both.load(Ordering::Relaxed))
    }

    /// Whether the client took too long.
    pub(crate) fn overdue(&self) -> bool {
        let limit = match self.phase() {
            Phase::Idle => IDLE_CLIENT_TIMEOUT,
            Phase::Head => HEAD_TIMEOUT,
            Phase::Busy | Phase::Flushing => return false,
        };
        let ticks = self.now.load(Ordering::Relaxed).wrapping_sub(self.since.load(Ordering::Relaxed));
        SWEEP * ticks > limit
    }
}

/// The socket of a client, which tells `Progress` what passes.
pub(crate) struct ClientStream {
    socket: TcpStream,
    scanner: Scanner,
    progress: Arc<Progress>,
    /// The worker's count of open connections.
    open: Arc<AtomicUsize>,
}

impl ClientStream {
    pub(crate) fn new(socket: TcpStream, progress: Arc<Progress>, open: Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self { socket, scanner: Scanner::default(), progress, open }
    }

    /// Bytes came in while a head was expected.
    fn head(&mut self, bytes: &[u8]) {
        if self.progress.phase() == Phase::Idle {
            self.progress.set(Phase::Head);
            self.scanner.restart();
        }
        self.scanner.feed(bytes);
        if self.scanner.done() {
            self.progress.both.store(self.scanner.both(), Ordering::Relaxed);
            self.progress.sure.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        let bytes = &buffer.filled()[before..];
        if !bytes.is_empty() && matches!(self.progress.phase(), Phase::Idle | Phase::Head) {
            self.head(bytes);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    /// Called by hyper once its own buffer is with the kernel.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.progress.phase() == Phase::Flushing {
            self.progress.set(Phase::Idle);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// What the requests of one connection share.
pub(crate) struct Client {
    /// The listener's address, as routes name it.
    pub(crate) listen: SocketAddr,
    pub(crate) progress: Arc<Progress>,
    /// The client's address.
    pub(crate) ip: IpAddr,
    /// The client's address for `X-Forwarded-For`.
    pub(crate) address: HeaderValue,
    /// The same as `Forwarded` writes it: IPv6 in brackets and quotes (RFC 7239, section 6).
    node: String,
    /// The last host and the `Forwarded` made for it: most connections only ever ask for one.
    forwarded: RefCell<Option<(HeaderValue, HeaderValue)>>,
}

impl Client {
    pub(crate) fn new(listen: SocketAddr, peer: SocketAddr, progress: Arc<Progress>) -> Self {
        let ip = peer.ip().to_canonical();
        let node = if ip.is_ipv6() { format!("\"[{ip}]\"") } else { ip.to_string() };
        let address = HeaderValue::try_from(ip.to_string()).expect("an address is visible ASCII");
        Self { listen, progress, ip, address, node, forwarded: RefCell::new(None) }
    }

    /// The `Forwarded` field for a request to `host`.
    pub(crate) fn forwarded(&self, host: Option<&HeaderValue>) -> Option<HeaderValue> {
        let Some(host) = host else {
            return HeaderValue::try_from(format!("for={};proto=http", self.node)).ok();
        };
        if let Some((known, value)) = self.forwarded.borrow().as_ref()
            && known == host
        {
            return Some(value.clone());
        }
        // The request check allows no quotes or backslashes in a host.
        let text = format!("for={};host=\"{}\";proto=http", self.node, host.to_str().ok()?);
        let value = HeaderValue::try_from(text).ok()?;
        *self.forwarded.borrow_mut() = Some((host.clone(), value.clone()));
        Some(value)
    }
}
