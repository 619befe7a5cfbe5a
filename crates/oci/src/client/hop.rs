//! Connections: straight to a host, or through a proxy, which carries what is encrypted unseen (`CONNECT`, RFC 9110, 9.3.6)
//! and passes on what is not.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use super::proxies::{Proxies, Proxy};
use super::transport::CONNECT;

/// The longest answer to `CONNECT` in bytes.
const MAX_HEAD: usize = 16 * 1024;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Opens connections.
#[derive(Clone)]
pub(super) struct Ways {
    tcp: HttpConnector,
    proxies: Arc<Proxies>,
}

impl Ways {
    pub(super) fn new(tcp: HttpConnector, proxies: Arc<Proxies>) -> Self {
        Self { tcp, proxies }
    }
}

impl Service<Uri> for Ways {
    type Response = Hop;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Hop, Failure>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let proxy = self.proxies.of(&to).cloned();
        let tcp = self.tcp.call(proxy.as_ref().map_or_else(|| to.clone(), |proxy| proxy.uri.clone()));
        Box::pin(async move {
            let Some(proxy) = proxy else { return Ok(Hop { io: tcp.await?, passed_on: false }) };
            let through = |why: String| Failure::from(format!("the proxy {}: {why}", proxy.name()));
            let tcp = tcp.await.map_err(|error| through(error.to_string()))?;
            if to.scheme_str() != Some("https") {
                return Ok(Hop { io: tcp, passed_on: true });
            }
            let tcp = match timeout(CONNECT, tunnel(tcp.into_inner(), &proxy, &to)).await {
                Ok(led) => led.map_err(|why| through(why.to_string()))?,
                Err(_) => return Err(through(format!("no answer within {} s", CONNECT.as_secs()))),
            };
            Ok(Hop { io: TokioIo::new(tcp), passed_on: false })
        })
    }
}

/// Has a proxy lead a connection on.
async fn tunnel(mut stream: TcpStream, proxy: &Proxy, to: &Uri) -> io::Result<TcpStream> {
    let place = format!("{}:{}", to.host().unwrap_or_default(), to.port_u16().unwrap_or(443));
    let mut asked = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n").into_bytes();
    if let Some(account) = &proxy.account {
        asked.extend_from_slice(b"Proxy-Authorization: ");
        asked.extend_from_slice(account.as_bytes());
        asked.extend_from_slice(b"\r\n");
    }
    asked.extend_from_slice(b"\r\n");
    stream.write_all(&asked).await?;
    let mut head = Vec::new();
    // Byte by byte: what follows the head belongs to who is behind it.
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
        if head.len() > MAX_HEAD {
            return Err(io::Error::other("its answer is too long"));
        }
    }
    let line = String::from_utf8_lossy(&head);
    let line = line.lines().next().unwrap_or_default();
    match line.split_whitespace().nth(1) {
        Some(status) if status.len() == 3 && status.starts_with('2') => Ok(stream),
        Some("407") => Err(io::Error::other(
            "it wants an account: `http://USER:PASSWORD@HOST:PORT` in HTTPS_PROXY of the agent's environment",
        )),
        _ => Err(io::Error::other(format!("it does not lead to {place}: `{line}`"))),
    }
}

/// One connection.
pub(super) struct Hop {
    io: TokioIo<TcpStream>,
    /// Whether requests go to the proxy, which passes them on.
    passed_on: bool,
}

impl Connection for Hop {
    fn connected(&self) -> Connected {
        self.io.connected().proxy(self.passed_on)
    }
}

impl hyper::rt::Read for Hop {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for Hop {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
