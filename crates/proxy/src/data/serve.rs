//! One request from its head to its response's head: check, find the route, wait while it holds, hand on.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use hyper::Request;
use hyper::body::Incoming;
use landfall_model::Sticky;
use tokio::time::timeout_at;

use super::body::ProxyBody;
use super::connection::{Client, Phase};
use super::forward::forward;
use super::headers::{POOL, PROBE, WANT};
use super::logged::Logged;
use super::request::{check, doubtful};
use super::worker::Worker;
use crate::limits::MAX_BUFFER;
use crate::page::{Format, maintenance, page};
use crate::state::choice::{Wish, cookie_value};
use crate::state::pool::{BackendState, Backends};
use crate::state::route::Gate;
use crate::state::stats::Shard;
use crate::state::table::{Entry, PoolEntry};

/// A request that is under way in a pool; counted until this is dropped.
pub(crate) struct Flight {
    worker: Rc<Worker>,
    entry: Arc<Entry>,
    /// The index of its pool.
    pool: usize,
    /// What makes the client come to the same pool again.
    cookie: Option<HeaderValue>,
    backend: Option<usize>,
    /// Whether it is one of the requests that are counted: all but probes, which nobody but the prober sent.
    counted: bool,
}

impl Flight {
    fn new(worker: &Rc<Worker>, entry: Arc<Entry>, wish: &Wish<'_>, draw: u64, counted: bool) -> Self {
        let pool = entry.choose(wish, draw);
        let cookie = entry.cookie(wish, pool).cloned();
        entry.pools[pool].stats.enter(entry.worker);
        Self { worker: Rc::clone(worker), entry, pool, cookie, backend: None, counted }
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

    pub(crate) fn worker(&self) -> &Rc<Worker> {
        &self.worker
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

    /// Whether the route was switched or began to hold since the request came in.
    pub(crate) fn outdated(&self) -> bool {
        self.entry.route.gate(self.entry.epoch, !self.counted) != Gate::Open
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.assign(None);
        self.pool().stats.leave(self.entry.worker);
    }
}

/// What all stages of one request need.
pub(crate) struct Call {
    pub(crate) worker: Rc<Worker>,
    pub(crate) client: Rc<Client>,
    pub(crate) began: Instant,
    /// Whether it carries the token that makes the pool be named.
    probe: bool,
    /// The label of the pool that a probe wants.
    want: Option<HeaderValue>,
    /// The form in which the proxy itself answers.
    format: Format,
    /// The number of the request, for what is drawn by lot.
    draw: u64,
}

impl Call {
    /// Finds the route's entry and enters the request into its pool, once the route does not hold.
    ///
    /// # Errors
    /// Why the request goes nowhere: 404 without a route, 503 over a limit of the hold or under maintenance.
    pub(crate) async fn enter(&self, uri: &Uri, headers: &HeaderMap) -> Result<Flight, Turned> {
        let mut hold = None;
        loop {
            let entry = self.find(uri, headers).ok_or(Turned::Unknown)?;
            let chosen = Arc::clone(&entry);
            let wish = self.wish(&chosen, headers);
            let flight = Flight::new(&self.worker, entry, &wish, self.draw, !self.probe);
            match flight.entry.route.gate(flight.entry.epoch, self.probe) {
                Gate::Open => {
                    if hold.is_some() {
                        flight.count(Shard::held);
                    }
                    return Ok(flight);
                }
                Gate::Stale => {}
                Gate::Maintenance => {
                    flight.count(Shard::turned_away);
                    return Err(Turned::Maintenance(Arc::clone(&flight.entry)));
                }
                Gate::Held => {
                    // It is not under way while it is held.
                    let (entry, pool) = (Arc::clone(&flight.entry), flight.pool);
                    drop(flight);
                    let limits = entry.config.hold;
                    if hold.is_none() {
                        let deadline = tokio::time::Instant::now()
                            + Duration::from_millis(limits.time_ms.min(MAX_HOLD_MS));
                        hold = entry.route.admit(limits, weight(uri, headers)).map(|held| (held, deadline));
                    }
                    let released = match &hold {
                        Some((_, deadline)) => {
                            timeout_at(*deadline, entry.route.released(self.probe)).await.is_ok()
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

    fn wish<'a>(&'a self, entry: &Entry, headers: &'a HeaderMap) -> Wish<'a> {
        let mut wish = Wish::default();
        match &entry.config.sticky {
            Some(Sticky::Cookie { name }) => {
                let fields = headers.get_all(COOKIE).iter();
                wish.cookie = fields.filter_map(|field| cookie_value(field.as_bytes(), name)).next();
            }
            Some(Sticky::Header { name }) => wish.header = headers.get(name).map(HeaderValue::as_bytes),
            None => {}
        }
        wish.probe_label = self.want.as_ref().map(HeaderValue::as_bytes);
        wish
    }

    fn find(&self, uri: &Uri, headers: &HeaderMap) -> Option<Arc<Entry>> {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        self.worker.find(self.client.listen, host, uri.path())
    }
}

/// Why a request goes to no pool.
pub(crate) enum Turned {
    /// There is no route for it.
    Unknown,
    /// It was held and is over a limit of that.
    Full(Arc<Entry>),
    /// The route is under maintenance.
    Maintenance(Arc<Entry>),
}

impl Turned {
    /// What the client is told.
    pub(crate) fn answer(self, method: &Method, call: &Call) -> Response<ProxyBody> {
        let response = match self {
            Self::Unknown => page(StatusCode::NOT_FOUND, call.format, method, None),
            Self::Full(entry) => {
                page(StatusCode::SERVICE_UNAVAILABLE, call.format, method, Some(&entry.pages))
            }
            Self::Maintenance(entry) => maintenance(call.format, method, &entry.pages),
        };
        own(response, None, call)
    }
}

/// The longest that a hold limit may ask for, a day in milliseconds.
const MAX_HOLD_MS: u64 = 24 * 3600 * 1000;

/// About what a held request keeps in memory: its head, and of its body what came with the head; the rest waits in the
/// socket, for nobody reads it.
fn weight(uri: &Uri, headers: &HeaderMap) -> u64 {
    let head: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64).sum();
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let body = match length {
        Some(length) => length.min(MAX_BUFFER as u64),
        None if headers.contains_key(TRANSFER_ENCODING) => MAX_BUFFER as u64,
        None => 0,
    };
    head as u64 + uri.path().len() as u64 + body
}

/// Answers one request.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    client: Rc<Client>,
    request: Request<Incoming>,
) -> Response<ProxyBody> {
    let framing = client.progress.take_framing();
    client.progress.set(Phase::Busy);
    let (mut parts, body) = request.into_parts();
    let probe = parts.headers.get(PROBE).is_some_and(|token| worker.shared.is_token(token.as_bytes()));
    let want = parts.headers.get(WANT).filter(|_| probe).cloned();
    let mut last = worker.closing() || doubtful(&parts.headers, framing);
    let logged = Logged::new(&worker, &client, &parts);
    let format = Format::wanted(&parts.headers);
    let draw = worker.draw();
    let call = Call { worker, client, began: Instant::now(), probe, want, format, draw };
    let mut response = match check(&mut parts, framing) {
        Ok(()) => forward(&call, parts, body).await,
        Err(status) => refuse(status, &parts.method, None, &call),
    };
    if let Some(logged) = logged {
        logged.finish(&call, &response);
    }
    last |= call.worker.closing();
    if last && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// An answer of the proxy's own.
pub(crate) fn own(response: Response<Bytes>, flight: Option<Flight>, call: &Call) -> Response<ProxyBody> {
    response.map(|bytes| ProxyBody::full(bytes, flight, Rc::clone(&call.client)))
}

/// A refusal of the proxy's own.
pub(crate) fn refuse(
    status: StatusCode,
    method: &Method,
    flight: Option<Flight>,
    call: &Call,
) -> Response<ProxyBody> {
    let response = page(status, call.format, method, flight.as_ref().map(|flight| &*flight.entry.pages));
    own(response, flight, call)
}

/// Names the pool on the answer to a probe, and on no other.
pub(crate) fn disclose(response: &mut Response<ProxyBody>, label: &str, call: &Call) {
    if call.probe
        && let Ok(label) = HeaderValue::from_str(label)
    {
        response.headers_mut().insert(POOL, label);
    }
}
