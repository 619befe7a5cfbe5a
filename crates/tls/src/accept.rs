//! One handshake: which certificate the client is shown, or which alert it gets.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use landfall_model::Certificate;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::Certificates;
use crate::internal::names;
use crate::keeper::Demand;
use crate::limits::{DEMAND_WAIT, HANDSHAKE};
use crate::slot::Slot;
use crate::template::ACME_TLS;

/// A connection whose handshake is done.
pub struct Accepted<I> {
    /// What the client sends and gets, decrypted.
    pub stream: TlsStream<I>,
    /// Whether the client and we agreed on HTTP/2.
    pub http2: bool,
}

/// An alert of TLS (RFC 8446, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alert {
    /// The host is known, but there is no certificate for it yet.
    InternalError = 80,
    /// No route has the host.
    UnrecognizedName = 112,
}

/// What a client's first message asks for.
struct Asked {
    host: Option<String>,
    /// Whether it is an ACME server that looks at a challenge.
    challenge: bool,
}

impl Certificates {
    /// Does the server's part of a handshake with a client who reached the address `local` of this machine, on the port
    /// that is listened on. Takes at most 15 seconds, and 25 more where a certificate is ordered on demand. `None` when the
    /// connection is over: an ACME server that has seen its challenge.
    ///
    /// # Errors
    /// A client that is no client of TLS, too slow, or asks for a host that there is no certificate for; it was told.
    pub async fn accept<I: AsyncRead + AsyncWrite + Unpin>(
        &self,
        local: SocketAddr,
        io: I,
    ) -> io::Result<Option<Accepted<I>>> {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), io);
        let mut start = timeout(HANDSHAKE, hello).await.map_err(|_| late())??;
        let asked = {
            let hello = start.client_hello();
            Asked {
                host: hello.server_name().map(|name| name.trim_end_matches('.').to_ascii_lowercase()),
                challenge: hello.alpn().is_some_and(|mut all| all.any(|name| name == ACME_TLS)),
            }
        };
        let config = match self.choose(local, &asked).await {
            Ok(config) => config,
            Err(alert) => {
                // A client that is gone need not hear it.
                let _ = timeout(HANDSHAKE, start.io.write_all(&record(alert))).await;
                let _ = timeout(HANDSHAKE, start.io.shutdown()).await;
                let host = asked.host.unwrap_or_default();
                return Err(io::Error::new(io::ErrorKind::NotFound, format!("no certificate for `{host}`")));
            }
        };
        let done = timeout_at(Instant::now() + HANDSHAKE, start.into_stream(config)).await;
        let mut stream = done.map_err(|_| late())??;
        if asked.challenge {
            let _ = timeout(HANDSHAKE, stream.shutdown()).await;
            return Ok(None);
        }
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Some(Accepted { stream, http2 }))
    }

    async fn choose(&self, local: SocketAddr, asked: &Asked) -> Result<Arc<ServerConfig>, Alert> {
        let host = asked.host.as_deref();
        if asked.challenge {
            let shown = host.and_then(|host| self.context.challenges.certificate(host));
            return shown.ok_or(Alert::UnrecognizedName);
        }
        let slot = self.table.load().find(local, host).cloned().ok_or(Alert::UnrecognizedName)?;
        if slot.certificate == Certificate::Internal {
            return self.internal(&slot, host, local.ip());
        }
        if let (Some(host), Some(_)) = (host, slot.on_demand()) {
            return self.on_demand(&slot, host).await;
        }
        self.served(&slot).ok_or(Alert::InternalError)
    }

    fn served(&self, slot: &Slot) -> Option<Arc<ServerConfig>> {
        slot.pair.load().as_ref().map(|pair| self.context.template.of(pair))
    }

    fn internal(&self, slot: &Slot, host: Option<&str>, local: IpAddr) -> Result<Arc<ServerConfig>, Alert> {
        match self.internal.leaf(&names(&slot.host, host, local), &self.machine()) {
            Ok(leaf) => {
                let config = self.context.template.of(&leaf);
                let shown = slot.pair.load();
                if !shown.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, &leaf)) {
                    slot.pair.store(Some(leaf));
                    slot.tell(None, None);
                }
                Ok(config)
            }
            Err(fault) => {
                slot.tell(Some(fault.message), None);
                Err(Alert::InternalError)
            }
        }
    }

    async fn on_demand(&self, any: &Arc<Slot>, host: &str) -> Result<Arc<ServerConfig>, Alert> {
        if let Some(known) = any.demanded_host(host) {
            return self.served(&known).ok_or(Alert::InternalError);
        }
        let (reply, replied) = oneshot::channel();
        let demand = Demand { any: Arc::clone(any), host: host.to_owned(), reply };
        self.demands.try_send(demand).map_err(|_| Alert::InternalError)?;
        let there = timeout(DEMAND_WAIT, replied).await;
        if !matches!(there, Ok(Ok(true))) {
            return Err(Alert::InternalError);
        }
        any.demanded_host(host).and_then(|known| self.served(&known)).ok_or(Alert::InternalError)
    }
}

/// A fatal alert as a record of its own (RFC 8446, section 5.1), which is in the clear before the server's first message.
fn record(alert: Alert) -> [u8; 7] {
    [21, 3, 3, 0, 2, 2, alert as u8]
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client did not finish the handshake in time")
}
