//! The way to an engine: connections over a unix socket, TCP or `ssh`, and the HTTP client above them.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bollard::BollardRequest;
use bollard::errors::Error;
use http::{Response, Uri};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::{sleep, timeout};
use tokio_rustls::client::TlsStream;

use crate::address::Address;
use crate::limits::{CONNECT, LAST_WORDS, LAST_WORDS_EVERY};
use crate::ssh;
use crate::tls::Tls;

/// The longest complaint of `ssh` that is kept.
const MAX_COMPLAINT: usize = 4096;

/// Opens connections to one engine.
#[derive(Debug, Clone)]
pub(crate) struct Dial {
    address: Address,
    /// Of a TCP address, how it is encrypted; `None` for not at all.
    tls: Option<Tls>,
    /// What `ssh` last printed, for a connection that comes to nothing.
    complaint: Arc<Mutex<String>>,
}

impl Dial {
    /// One for the engine at `address`; nothing is connected yet.
    pub(crate) fn new(address: Address, tls: Option<Tls>) -> Self {
        Self { address, tls, complaint: Arc::default() }
    }

    /// Where the engine listens.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// The same as `complaint`, and waits a moment for it.
    pub(crate) async fn last_words(&self) -> Option<String> {
        let heard = async {
            loop {
                if let Some(line) = self.complaint() {
                    return line;
                }
                sleep(LAST_WORDS_EVERY).await;
            }
        };
        timeout(LAST_WORDS, heard).await.ok()
    }

    /// The last line that `ssh`, or the `docker` at its other end, printed to standard error.
    fn complaint(&self) -> Option<String> {
        let complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        complaint.lines().rfind(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned())
    }

    /// Opens a connection within `CONNECT`. For ssh that is the child being there; that it logs in is seen at the
    /// first answer.
    pub(crate) async fn open(&self) -> io::Result<Wire> {
        let opened = timeout(CONNECT, async {
            match &self.address {
                Address::Unix(path) => UnixStream::connect(path).await.map(Wire::Unix),
                Address::Tcp(address) => {
                    let stream = TcpStream::connect(address).await?;
                    stream.set_nodelay(true)?;
                    match &self.tls {
                        None => Ok(Wire::Tcp(stream)),
                        Some(tls) => Ok(Wire::Tls(Box::new(tls.connect(address, stream).await?))),
                    }
                }
                Address::Ssh { destination, port } => {
                    ssh(destination, *port, Arc::clone(&self.complaint)).map(|ssh| Wire::Ssh(Box::new(ssh)))
                }
            }
        });
        opened.await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
    }

    /// What carries bollard's requests: a client that keeps connections to the engine.
    pub(crate) fn transport(&self) -> impl Fn(BollardRequest) -> Pending<Response<Incoming>, Error> + use<> {
        let client: Client<Self, UnsyncBoxBody<Bytes, io::Error>> =
            Client::builder(TokioExecutor::new()).build(self.clone());
        move |request| {
            let request = request.map(|body| body.map_err(io::Error::other).boxed_unsync());
            let answer = client.request(request);
            Box::pin(async move { answer.await.map_err(Error::from) })
        }
    }
}

/// Starts `ssh DESTINATION docker system dial-stdio` as one connection's carrier.
fn ssh(destination: &str, port: Option<u16>, complaint: Arc<Mutex<String>>) -> io::Result<Ssh> {
    let mut child = ssh::to_engine(destination, port, &[]).spawn()?;
    let piped = || io::Error::other("ssh was started without its pipes");
    let input = child.stdin.take().ok_or_else(piped)?;
    let output = child.stdout.take().ok_or_else(piped)?;
    let mut said = child.stderr.take().ok_or_else(piped)?;
    tokio::spawn(async move {
        let mut buffer = [0; 1024];
        // What is not read would block it one day.
        while let Ok(count @ 1..) = said.read(&mut buffer).await {
            let mut complaint = complaint.lock().unwrap_or_else(PoisonError::into_inner);
            if complaint.len() + count > MAX_COMPLAINT {
                complaint.clear();
            }
            complaint.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    });
    Ok(Ssh { input: Some(input), output, _child: child })
}

/// A child that carries one connection; it ends with it.
#[derive(Debug)]
pub(crate) struct Ssh {
    /// `None` once nothing more is sent: its end is what the other side is told by.
    input: Option<ChildStdin>,
    output: ChildStdout,
    _child: Child,
}

/// One connection to an engine.
#[derive(Debug)]
pub(crate) enum Wire {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Ssh(Box<Ssh>),
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Ssh(ssh) => Pin::new(&mut ssh.output).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Ssh(ssh) => match &mut ssh.input {
                Some(input) => Pin::new(input).poll_write(cx, buf),
                None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            },
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Ssh(ssh) => match &mut ssh.input {
                Some(input) => Pin::new(input).poll_flush(cx),
                None => Poll::Ready(Ok(())),
            },
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Ssh(ssh) => {
                drop(ssh.input.take());
                Poll::Ready(Ok(()))
            }
        }
    }
}

/// A connection as the HTTP client takes it.
pub(crate) struct Pooled(TokioIo<Wire>);

impl Connection for Pooled {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for Pooled {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for Pooled {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

type Pending<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl tower_service::Service<Uri> for Dial {
    type Response = Pooled;
    type Error = io::Error;
    type Future = Pending<Pooled, io::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let dial = self.clone();
        Box::pin(async move { dial.open().await.map(|wire| Pooled(TokioIo::new(wire))) })
    }
}
