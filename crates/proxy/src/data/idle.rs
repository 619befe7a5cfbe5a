//! Connections to back ends that speak HTTP/1.1: made when needed, kept by the worker that made them, given back when an
//! answer is complete.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::buffer::Pool;
use super::flight::Flight;
use super::link::Link;
use crate::limits::{CONNECT_TIMEOUT, IDLE_BACKEND_TIMEOUT, MAX_IDLE_PER_BACKEND, SWEEP};
use crate::state::pool::BackendState;

/// The idle connections of one worker, by back end; the last one used is the first to be used again.
#[derive(Default)]
pub(crate) struct Idle(RefCell<HashMap<u64, Vec<Waiting>, BuildHasherDefault<Number>>>);

struct Waiting {
    link: Box<Link<TcpStream>>,
    since: u32,
}

impl Waiting {
    /// Whether the back end neither closed it nor sent what nobody asked for, as far as the event queue knows: no system
    /// call is made for one that is silent.
    fn silent(&self) -> bool {
        let read = self.link.socket.try_read(&mut [0]);
        matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// Numbers are given out one after the other, and spread well enough as they are.
#[derive(Default)]
pub(crate) struct Number(u64);

impl Hasher for Number {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The upper bits choose the place in a group of the map.
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Idle {
    /// Takes a connection that the back end has not closed as far as is known.
    pub(crate) fn take(&self, backend: u64) -> Option<Box<Link<TcpStream>>> {
        let mut idle = self.0.borrow_mut();
        let waiting = idle.get_mut(&backend)?;
        while let Some(one) = waiting.pop() {
            if one.silent() {
                return Some(one.link);
            }
        }
        None
    }

    /// Keeps a connection for another request, if its back end is still wanted.
    pub(crate) fn put(&self, backend: &BackendState, link: Box<Link<TcpStream>>, tick: u32) {
        if backend.retired() {
            return;
        }
        let mut idle = self.0.borrow_mut();
        let waiting = idle.entry(backend.number).or_default();
        if waiting.len() < MAX_IDLE_PER_BACKEND {
            waiting.push(Waiting { link, since: tick });
        }
    }

    /// Drops the connections to back ends that no pool has any more.
    pub(crate) fn forget(&self, backends: &[u64]) {
        let mut idle = self.0.borrow_mut();
        for backend in backends {
            idle.remove(backend);
        }
    }

    /// Drops those that are closed or were idle for too long.
    pub(crate) fn sweep(&self, tick: u32) {
        let fresh = |waiting: &Waiting| {
            SWEEP * tick.wrapping_sub(waiting.since) < IDLE_BACKEND_TIMEOUT && waiting.silent()
        };
        self.0.borrow_mut().retain(|_, waiting| {
            waiting.retain(fresh);
            !waiting.is_empty()
        });
    }
}

/// Opens a connection.
pub(crate) async fn connect(address: SocketAddr, pool: &Rc<Pool>) -> io::Result<Box<Link<TcpStream>>> {
    let socket = timeout(CONNECT_TIMEOUT, TcpStream::connect(address))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    socket.set_nodelay(true)?;
    Ok(Box::new(Link::new(socket, Rc::clone(pool))))
}

/// Whether an error of `connect` says that the back end is down, rather than that this machine is short of something.
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

/// Records that a back end accepts no connections; the health checker looks after it from here on.
pub(crate) fn mark_down(flight: &Flight, backend: &BackendState) {
    if backend.set_healthy(false) {
        backend.looked_at.notify_one();
        flight.entry().route.refresh_health();
    }
}
