//! Who is at the other end of a connection, and how long it may go on as it does.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::task::Waker;
use std::time::Duration;

use crate::limits::SWEEP;

/// A client, as far as it is known without a request.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// The address of this machine that it reached.
    pub(crate) local: SocketAddr,
    /// The other end of its socket.
    pub(crate) address: IpAddr,
    /// Whose connection the PROXY protocol said it is, if it did; to be believed as far as `address` is trusted.
    pub(crate) told: Option<IpAddr>,
    /// `HTTP/1.1`, `HTTP/2`.
    pub(crate) protocol: &'static str,
    /// The version of TLS that it came by, if it did: `TLSv1.3`.
    pub(crate) tls: Option<&'static str>,
}

impl Peer {
    pub(crate) fn new(
        local: SocketAddr,
        peer: SocketAddr,
        told: Option<SocketAddr>,
        tls: Option<&'static str>,
    ) -> Self {
        let told = told.map(|told| told.ip().to_canonical());
        Self { local, address: peer.ip().to_canonical(), told, protocol: "HTTP/1.1", tls }
    }
}

/// No deadline.
const NEVER: u32 = u32::MAX;

/// How long what a task does may last, in ticks of the sweeper, which wakes the task when it is over: no request needs a
/// timer of its own.
#[derive(Debug)]
pub(crate) struct Progress {
    deadline: Cell<u32>,
    expired: Cell<bool>,
    /// Between requests.
    idle: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            deadline: Cell::new(NEVER),
            expired: Cell::new(false),
            idle: Cell::new(false),
            waker: RefCell::new(None),
        }
    }

    /// Tells whom to wake; a task says so once.
    pub(crate) fn attach(&self, waker: &Waker) {
        *self.waker.borrow_mut() = Some(waker.clone());
    }

    /// What is done from here on may last this long, or for ever. Limits are as coarse as ticks, and never too short.
    pub(crate) fn limit(&self, now: u32, limit: Option<Duration>) {
        let ticks =
            |limit: Duration| u32::try_from(limit.div_duration_f64(SWEEP).ceil() as u64).unwrap_or(NEVER / 2);
        self.deadline.set(limit.map_or(NEVER, |limit| now.saturating_add(ticks(limit)).saturating_add(1)));
        self.expired.set(false);
    }

    /// Whether the limit was reached.
    pub(crate) fn expired(&self) -> bool {
        self.expired.get()
    }

    pub(crate) fn set_idle(&self, idle: bool) {
        self.idle.set(idle);
    }

    pub(crate) fn idle(&self) -> bool {
        self.idle.get()
    }

    /// Makes the task look around.
    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// A tick came.
    pub(crate) fn tick(&self, now: u32) {
        if now >= self.deadline.get() {
            self.deadline.set(NEVER);
            self.expired.set(true);
            self.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_never_too_short_and_ends_once() {
        let progress = Progress::new();
        progress.tick(1000);
        assert!(!progress.expired());
        progress.limit(10, Some(SWEEP * 3));
        (10..14).for_each(|tick| progress.tick(tick));
        assert!(!progress.expired(), "the tick it began in was not a whole one");
        progress.tick(14);
        assert!(progress.expired());
        progress.limit(14, None);
        progress.tick(u32::MAX - 1);
        assert!(!progress.expired());
        progress.limit(5, Some(Duration::from_millis(1)));
        progress.tick(6);
        assert!(!progress.expired());
        progress.tick(7);
        assert!(progress.expired());
    }
}
