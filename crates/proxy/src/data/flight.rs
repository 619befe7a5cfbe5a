//! A request on its way through its route: found, held, counted in a pool until it is done.

use std::borrow::Cow;
use std::cell::Cell;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::HeaderValue;
use landfall_http1::Framing;
use landfall_model::Sticky;
use tokio::time::timeout_at;

use super::connection::{Peer, Progress};
use super::origin;
use super::request::Incoming;
use super::side::Client;
use super::trace::Trace;
use super::worker::Worker;
use crate::limits::{MAX_BUFFER, MAX_HOLD, MAX_REQUEST_ID};
use crate::state::choice::{Wish, cookie_value};
use crate::state::pool::{BackendState, Backends};
use crate::state::route::Gate;
use crate::state::stats::Shard;
use crate::state::table::{Entry, PoolEntry};

/// A request that is under way in a pool; counted until this is dropped.
pub(crate) struct Flight {
    entry: Arc<Entry>,
    /// The index of its pool.
    pool: usize,
    /// What makes the client come to the same pool again.
    cookie: Option<HeaderValue>,
    backend: Option<usize>,
    /// Whether it has become a stream.
    stream: bool,
    /// Whether it is one of the requests that are counted: all but probes, which nobody but the prober sent.
    counted: bool,
}

impl Flight {
    fn new(entry: Arc<Entry>, wish: &Wish<'_>, counted: bool) -> Self {
        let pool = entry.choose(wish);
        let cookie = entry.cookie(wish, pool).cloned();
        entry.pools[pool].stats.enter(entry.worker);
        Self { entry, pool, cookie, backend: None, stream: false, counted }
    }

    /// The number of its pool among its route's.
    pub(crate) fn pool_index(&self) -> usize {
        self.pool
    }

    /// The pool it was given to.
    pub(crate) fn pool(&self) -> &PoolEntry {
        &self.entry.pools[self.pool]
    }

    /// What makes the client come to the same pool again, if it is to.
    pub(crate) fn cookie(&mut self) -> Option<HeaderValue> {
        self.cookie.take()
    }

    /// Counts what became of it, unless it is a probe.
    pub(crate) fn count(&self, outcome: impl FnOnce(&Shard)) {
        if self.counted {
            outcome(self.pool().stats.shard(self.entry.worker));
        }
    }

    pub(crate) fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    /// The backend it was given to.
    pub(crate) fn backend(&self) -> Option<&BackendState> {
        match (&*self.pool().backends, self.backend) {
            (Backends::Instances(all), Some(index)) => all.get(index).map(|backend| &**backend),
            _ => None,
        }
    }

    /// Gives it to the backend of this index, or takes it back.
    pub(crate) fn assign(&mut self, index: Option<usize>) {
        if let Some(backend) = self.backend() {
            backend.leave(self.entry.worker);
        }
        self.backend = index;
        if let Some(backend) = self.backend() {
            backend.enter(self.entry.worker);
        }
    }

    /// It lasts from here on for as long as both sides like.
    pub(crate) fn begin_stream(&mut self) {
        if !std::mem::replace(&mut self.stream, true) {
            self.pool().stats.begin_stream(self.entry.worker);
        }
    }

    /// Whether the route was switched or began to hold since the request came in.
    pub(crate) fn outdated(&self) -> bool {
        self.entry.route.gate(self.entry.epoch, !self.counted) != Gate::Open
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.assign(None);
        if self.stream {
            self.pool().stats.end_stream(self.entry.worker);
        }
        self.pool().stats.leave(self.entry.worker);
    }
}

/// What all stages of one request need.
pub(crate) struct Call<'a> {
    pub(crate) worker: &'a Rc<Worker>,
    pub(crate) peer: &'a Peer,
    pub(crate) progress: &'a Progress,
    pub(crate) request: &'a Incoming,
    pub(crate) began: Instant,
    /// Whether it carries the token that makes the pool be named.
    pub(crate) probe: bool,
    /// The name that it got here, if it came without.
    id: Cell<Option<[u8; 32]>>,
    pub(crate) trace: Trace,
}

/// Why a request goes to no pool.
pub(crate) enum Turned {
    /// There is no route for it.
    Unknown,
    /// It was held and is over a limit of that.
    Full(Arc<Entry>),
    /// It came over plain HTTP and is to come over HTTPS.
    Plain(Arc<Entry>),
    /// The route is under maintenance.
    Maintenance(Arc<Entry>),
    /// The client went away while it was held.
    Gone,
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        worker: &'a Rc<Worker>,
        peer: &'a Peer,
        progress: &'a Progress,
        request: &'a Incoming,
    ) -> Self {
        let probe = request.raw(PROBE).next().is_some_and(|token| worker.shared.is_token(token));
        let began = Instant::now();
        let (id, trace) = (Cell::new(None), Trace::default());
        Self { worker, peer, progress, request, began, probe, id, trace }
    }

    /// The request's name in the logs of everyone it passes: the client's, or one of its own.
    pub(crate) fn id(&self) -> Cow<'a, [u8]> {
        self.client_id().map_or_else(|| Cow::Owned(self.own_id().to_vec()), Cow::Borrowed)
    }

    /// The name that the client gave it, if that is one, of visible characters, and not too long.
    pub(crate) fn client_id(&self) -> Option<&'a [u8]> {
        let mut all = self.request.raw(REQUEST_ID);
        let id = all.next().filter(|_| all.next().is_none())?;
        let fits = (1..=MAX_REQUEST_ID).contains(&id.len());
        (fits && id.iter().all(u8::is_ascii_graphic)).then_some(id)
    }

    /// The name that it gets here.
    pub(crate) fn own_id(&self) -> [u8; 32] {
        let id = self.id.get().unwrap_or_else(|| self.worker.request_id());
        self.id.set(Some(id));
        id
    }

    /// The client's address, as far as the route believes who says so; without one, as any route of the address does.
    pub(crate) fn client_address(&self, entry: Option<&Entry>) -> IpAddr {
        let said = || self.peer.told.unwrap_or(self.peer.address);
        entry.map_or_else(said, |entry| origin::of(self, &entry.config.http.trusted).address)
    }

    /// Finds the route's entry and enters the request into its pool, once the route does not hold.
    ///
    /// # Errors
    /// Why the request goes nowhere: 404 without a route, 503 over a limit of the hold or under maintenance.
    pub(crate) async fn enter(&self, client: &mut impl Client) -> Result<Flight, Turned> {
        let mut hold = None;
        loop {
            let entry = self.find().ok_or(Turned::Unknown)?;
            if self.comes_plain(&entry) {
                return Err(Turned::Plain(entry));
            }
            let flight = {
                let wish = self.wish(&entry);
                Flight::new(Arc::clone(&entry), &wish, !self.probe)
            };
            match entry.route.gate(entry.epoch, self.probe) {
                Gate::Open => {
                    if let Some((_, since, _)) = &hold {
                        self.trace.held(Instant::elapsed(since));
                        flight.count(Shard::held);
                    }
                    return Ok(flight);
                }
                Gate::Stale => {}
                Gate::Maintenance => {
                    flight.count(Shard::turned_away);
                    return Err(Turned::Maintenance(entry));
                }
                Gate::Held => {
                    // It is not under way while it is held.
                    let pool = flight.pool;
                    drop(flight);
                    let limits = entry.config.hold;
                    if hold.is_none() {
                        let deadline =
                            tokio::time::Instant::now() + Duration::from_millis(limits.time_ms).min(MAX_HOLD);
                        hold = entry
                            .route
                            .admit(limits, weight(self.request))
                            .map(|held| (held, Instant::now(), deadline));
                    }
                    let released = match &hold {
                        Some((_, _, deadline)) => {
                            let waiting = timeout_at(*deadline, entry.route.released(self.probe));
                            Box::pin(unless_gone(client, self.request, waiting))
                                .await
                                .ok_or(Turned::Gone)?
                                .is_ok()
                        }
                        None => false,
                    };
                    if !released {
                        entry.pools[pool].stats.shard(entry.worker).refused();
                        return Err(Turned::Full(entry));
                    }
                }
            }
        }
    }

    /// What tells the client's browser to use HTTPS alone, if it came so (RFC 6797, section 7.2).
    pub(crate) fn hsts<'e>(&self, entry: &'e Entry) -> Option<&'e HeaderValue> {
        entry.hsts.as_ref().filter(|_| self.peer.tls.is_some())
    }

    /// Whether the route wants it over HTTPS and neither we nor a trusted proxy in front got it so.
    fn comes_plain(&self, entry: &Entry) -> bool {
        let redirects = entry.config.tls.as_ref().is_some_and(|tls| tls.redirect);
        redirects && !self.probe && !origin::of(self, &entry.config.http.trusted).secure
    }

    fn find(&self) -> Option<Arc<Entry>> {
        let (path, _) = self.request.path_and_query();
        self.worker.find(self.peer.local, self.request.host().unwrap_or_default(), path)
    }

    fn wish(&self, entry: &'a Entry) -> Wish<'_> {
        let mut wish = Wish::default();
        match &entry.config.sticky {
            Some(Sticky::Cookie { name }) => {
                wish.cookie = self.request.raw("cookie").filter_map(|field| cookie_value(field, name)).next();
            }
            Some(Sticky::Header { name }) => wish.header = self.request.raw(name).next(),
            None => {}
        }
        if self.probe {
            wish.probe_label = self.request.raw(WANT).next();
        }
        wish
    }
}

/// Carries a request's name.
pub(crate) const REQUEST_ID: &str = "x-request-id";
/// Asks for the pool's label; the value is the token that `status` shows.
pub(crate) const PROBE: &str = "x-landfall-probe";
/// Sends a probe to the pool with this label, whatever its weight.
pub(crate) const WANT: &str = "x-landfall-want";

/// Waits for something; nothing when the client goes away before. One that still has a body to send is not watched.
async fn unless_gone<T>(
    client: &mut impl Client,
    request: &Incoming,
    waiting: impl Future<Output = T>,
) -> Option<T> {
    let mut waiting = pin!(waiting);
    let watched = request.head.body == Framing::None;
    poll_fn(|cx| {
        if let Poll::Ready(done) = waiting.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        if watched && client.poll_gone(cx).is_ready() { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}

/// About what a held request keeps in memory: its head, and of its body what came with the head; the rest waits in the
/// socket, for nobody reads it.
fn weight(request: &Incoming) -> u64 {
    let head = request.head.length + request.head.fields.len() * 64;
    let body = match request.head.body {
        Framing::Length(length) => length.min(MAX_BUFFER as u64),
        Framing::Chunked | Framing::Close => MAX_BUFFER as u64,
        Framing::None => 0,
    };
    head as u64 + body
}
