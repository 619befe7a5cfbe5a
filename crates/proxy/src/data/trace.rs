//! What became of a request, noted along its way for the log and the counts.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::flight::{Call, Flight};
use crate::access::Record;
use crate::state::table::Entry;

/// The notes on one request.
#[derive(Default)]
pub(crate) struct Trace {
    status: Cell<u16>,
    received: Cell<u64>,
    sent: Cell<u64>,
    held: Cell<Duration>,
    place: RefCell<Option<Place>>,
}

/// Where it went.
struct Place {
    entry: Arc<Entry>,
    pool: usize,
    backend: Option<SocketAddr>,
}

impl Place {
    fn route(&self) -> (&str, &str) {
        (&self.entry.config.id, &self.entry.pools[self.pool].label)
    }
}

impl Trace {
    /// The answer has begun.
    pub(crate) fn answered(&self, status: u16) {
        self.status.set(status);
    }

    /// So many bytes of the request's body came in and of the answer's went out.
    pub(crate) fn moved(&self, received: u64, sent: u64) {
        self.received.set(received);
        self.sent.set(sent);
    }

    /// It was held for so long.
    pub(crate) fn held(&self, held: Duration) {
        self.held.set(held);
    }

    /// It is done with its pool: counts what passed, and keeps where it went if that is to be logged.
    pub(crate) fn landed(&self, call: &Call<'_>, flight: &Flight) {
        flight.count(|shard| shard.passed(self.received.get(), self.sent.get()));
        if call.worker.access.is_on() {
            *self.place.borrow_mut() = Some(Place {
                entry: Arc::clone(flight.entry()),
                pool: flight.pool_index(),
                backend: flight.backend().map(|backend| backend.address),
            });
        }
    }

    /// Logs it, unless its route wants no log.
    pub(crate) fn log(&self, call: &Call<'_>) {
        let place = self.place.borrow();
        let unwanted = place.as_ref().is_some_and(|place| !place.entry.config.http.access_log);
        if !call.worker.access.is_on() || unwanted {
            return;
        }
        let request = call.request;
        call.worker.access.log(&Record {
            id: &call.id(),
            client: call.client_address(place.as_ref().map(|place| &*place.entry)),
            method: std::str::from_utf8(request.method()).unwrap_or_default(),
            host: request.host().unwrap_or_default().as_bytes(),
            target: if request.head.slash { "/" } else { request.target() },
            status: self.status.get(),
            received: self.received.get(),
            sent: self.sent.get(),
            took: call.began.elapsed(),
            held: self.held.get(),
            route: place.as_ref().map(Place::route),
            backend: place.as_ref().and_then(|place| place.backend),
            protocol: call.peer.protocol,
            tls: call.peer.tls,
            agent: request.raw("user-agent").next(),
            referer: request.raw("referer").next(),
        });
    }
}
