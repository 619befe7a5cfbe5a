//! Connections to backends: made when needed, kept by the worker that made them, given back when an answer is complete.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::body::RequestBody;
use super::serve::Flight;
use crate::limits::{CONNECT_TIMEOUT, IDLE_BACKEND_TIMEOUT, MAX_BUFFER, MAX_IDLE_PER_BACKEND, SWEEP};
use crate::state::pool::BackendState;

/// A connection that one request has to itself.
pub(crate) struct Lease {
    pub(crate) sender: SendRequest<RequestBody>,
    /// Whether another request was on it before, so that the backend may have closed it meanwhile.
    pub(crate) used: bool,
}

impl Lease {
    /// Keeps the connection for another request, if it is good for one and its backend is still wanted. One that is not
    /// ready (a body is still being sent that the backend did not wait for) is closed.
    pub(crate) fn give_back(self, flight: &Flight) {
        if let Some(backend) = flight.backend()
            && !backend.retired()
            && self.sender.is_ready()
        {
            flight.worker().idle.put(backend.number, self.sender, flight.worker().tick());
        }
    }
}

/// The idle connections of one worker, by backend; the last one used is the first to be used again.
#[derive(Default)]
pub(crate) struct Idle(RefCell<HashMap<u64, Vec<Waiting>>>);

struct Waiting {
    sender: SendRequest<RequestBody>,
    since: u32,
}

impl Idle {
    /// Takes a connection that the backend has not closed as far as is known.
    pub(crate) fn take(&self, backend: u64) -> Option<Lease> {
        let mut idle = self.0.borrow_mut();
        let waiting = idle.get_mut(&backend)?;
        while let Some(Waiting { sender, .. }) = waiting.pop() {
            if sender.is_ready() {
                return Some(Lease { sender, used: true });
            }
        }
        None
    }

    fn put(&self, backend: u64, sender: SendRequest<RequestBody>, tick: u32) {
        let mut idle = self.0.borrow_mut();
        let waiting = idle.entry(backend).or_default();
        if waiting.len() < MAX_IDLE_PER_BACKEND {
            waiting.push(Waiting { sender, since: tick });
        }
    }

    /// Drops the connections to backends that no pool has any more.
    pub(crate) fn forget(&self, backends: &[u64]) {
        let mut idle = self.0.borrow_mut();
        for backend in backends {
            idle.remove(backend);
        }
    }

    /// Drops those that are closed or were idle for too long.
    pub(crate) fn sweep(&self, tick: u32) {
        let fresh = |waiting: &Waiting| {
            !waiting.sender.is_closed() && SWEEP * tick.wrapping_sub(waiting.since) < IDLE_BACKEND_TIMEOUT
        };
        self.0.borrow_mut().retain(|_, waiting| {
            waiting.retain(fresh);
            !waiting.is_empty()
        });
    }
}

/// Opens a connection.
pub(crate) async fn connect(address: SocketAddr) -> io::Result<Lease> {
    let socket = timeout(CONNECT_TIMEOUT, TcpStream::connect(address))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    socket.set_nodelay(true)?;
    let mut builder = Builder::new();
    builder.max_buf_size(MAX_BUFFER);
    let (sender, connection) = builder.handshake(TokioIo::new(socket)).await.map_err(io::Error::other)?;
    tokio::task::spawn_local(async move {
        // Whatever goes wrong here is seen by the request that is on the connection.
        let _ = connection.with_upgrades().await;
    });
    Ok(Lease { sender, used: false })
}

/// Whether an error of `connect` says that the backend is down, rather than that this machine is short of something.
pub(crate) fn says_down(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::TimedOut
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    )
}

/// Records that a backend accepts no connections; the health checker looks after it from here on.
pub(crate) fn mark_down(flight: &Flight, backend: &BackendState) {
    if backend.set_healthy(false) {
        backend.looked_at.notify_one();
        flight.entry().route.refresh_health();
    }
}
