//! A client's socket, whatever protects it.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use landfall_tls::Certificates;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::rustls::ProtocolVersion;
use tokio_rustls::server::TlsStream;

use crate::limits::{ASK_AGAIN, SILENT_CLIENT, UNANSWERED_ASKS};

/// A socket that can tell whether reading is worth a buffer.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin {
    /// Waits until a read may bring something. A socket that cannot know says so at once.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Wire for TcpStream {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(cx)
    }
}

/// Makes the kernel ask now and then whether clients are still there: one that vanished without a word, with its power or
/// its network, would stay for ever in the middle of a websocket. What is set on a listener is so on all that comes in
/// from then on.
pub(crate) fn notice_vanished(listener: &impl AsFd) {
    let asks =
        TcpKeepalive::new().with_time(SILENT_CLIENT).with_interval(ASK_AGAIN).with_retries(UNANSWERED_ASKS);
    // A system that cannot do it has clients that stay for longer.
    let _ = SockRef::from(listener).set_tcp_keepalive(&asks);
}

/// What a client's bytes come through.
pub(crate) enum Socket {
    /// As they are.
    Plain(TcpStream),
    /// Through TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    /// Whether HTTP/2 was settled on when the connection was made.
    pub(crate) fn speaks_h2(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(socket) => socket.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }

    /// Does the handshake of TLS with a client that reached the address `local`; nothing when none came about, or there is
    /// nothing to serve.
    pub(crate) async fn secure(
        socket: TcpStream,
        local: SocketAddr,
        certificates: &Certificates,
    ) -> Option<Self> {
        // The client was told why.
        let accepted = certificates.accept(local, socket).await.ok()??;
        Some(Self::Tls(Box::new(accepted.stream)))
    }

    /// Makes its end, when it is dropped, one that is seen as a failure: a reset, whatever was on its way.
    pub(crate) fn fail(&self) {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(socket) => socket.get_ref().0,
        };
        // Without it the end only looks like a good one.
        let _ = socket.set_zero_linger();
    }

    /// The version of TLS that protects it: `TLSv1.3`.
    pub(crate) fn tls(&self) -> Option<&'static str> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(socket) => match socket.get_ref().1.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => Some("TLSv1.2"),
                _ => Some("TLSv1.3"),
            },
        }
    }
}

impl Wire for Socket {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => socket.poll_read_ready(cx),
            // What was decrypted already is not seen on the socket.
            Self::Tls(_) => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buffer),
            Self::Tls(socket) => Pin::new(socket).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(socket) => Pin::new(socket).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
            Self::Tls(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}
