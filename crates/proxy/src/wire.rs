//! What goes over the control socket, as JSON; `/v1` of it.

use std::net::SocketAddr;

use landfall_model::Checks;
use serde::{Deserialize, Serialize};

use crate::RouteConfig;

/// The proxy as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its process.
    pub pid: u32,
    /// What [`crate::build`] gives for the executable it runs.
    pub build: String,
    /// The value of the header `x-landfall-probe` that makes a response name its pool in `x-landfall-pool`. Another one
    /// each time the proxy starts.
    pub token: String,
    /// Resident memory in bytes.
    pub memory: Option<u64>,
    /// The addresses it listens on.
    pub listeners: Vec<ListenerStatus>,
    /// The routes, by id.
    pub routes: Vec<RouteStatus>,
    /// What a person should know: a configuration that could not be read, an address that is in use.
    pub notes: Vec<String>,
}

/// An address that at least one route wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerStatus {
    /// The address.
    pub address: SocketAddr,
    /// Why it is not open; it is tried again every second.
    pub problem: Option<String>,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteStatus {
    /// What was put, in the form that is compared: host in lower case, prefix without a slash at its end.
    pub config: RouteConfig,
    /// Whether new requests are held, for the pools are being replaced.
    pub holding: bool,
    /// Whether new requests are held until a person lets them through.
    pub paused: bool,
    /// Whether requests are turned away.
    pub maintenance: bool,
    /// Requests that are being held.
    pub held_now: u64,
    /// The backends of all pools; none for files.
    pub backends: Vec<BackendStatus>,
    /// The pools since the proxy started, the newest last: the current one, those with requests under way, and at most
    /// eight in all of those before.
    pub pools: Vec<PoolStatus>,
}

/// One backend of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendStatus {
    /// The pool's label.
    pub pool: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it gets requests.
    pub healthy: bool,
    /// Requests and upgraded connections under way.
    pub inflight: u64,
    /// What came of its newest health checks; `None` where nobody counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<Checks>,
}

/// Counts of one pool since the proxy started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Its label.
    pub label: String,
    /// Its weight; 0 for one that gets no more requests.
    pub weight: u32,
    /// Requests under way, streams with them.
    pub inflight: u64,
    /// Those of them that are streams: upgraded connections, and answers of server-sent events.
    #[serde(default)]
    pub streams: u64,
    /// How long somebody still waits for these to be done, in milliseconds; `None` when nobody does.
    #[serde(default)]
    pub drain_ms: Option<u64>,
    /// Requests that a backend answered, whatever the status.
    pub served: u64,
    /// Requests that the proxy answered itself because no backend could, and answers that broke off.
    pub failed: u64,
    /// Requests that were held for a while.
    pub held: u64,
    /// The median from a request's head to its response's head in milliseconds, time held included.
    pub p50_ms: Option<f64>,
    /// The 99th percentile of the same.
    pub p99_ms: Option<f64>,
}

/// What a hold came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Requests of the pool still under way when the wait ended, streams left out; 0 when all were done.
    pub inflight: u64,
    /// Streams that were open then.
    #[serde(default)]
    pub streams: u64,
}

/// The streams of a route: upgraded connections, and answers of server-sent events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenStreams {
    /// How many are open.
    pub open: u64,
    /// Whether new requests are held: then nothing was waited for.
    pub holding: bool,
}

/// Counts of a route since its meter was started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Meter {
    /// Requests that a backend answered, whatever the status.
    pub served: u64,
    /// Requests that the proxy answered itself because no backend could, and answers that broke off.
    pub failed: u64,
    /// Requests that were held for a while.
    pub held: u64,
    /// The median from a request's head to its response's head in milliseconds, time held included.
    pub p50_ms: Option<f64>,
    /// The 99th percentile of the same.
    pub p99_ms: Option<f64>,
    /// The longest stretch in which requests could not be sent on: a hold, or no healthy backend after there was one.
    pub pause_ms: u64,
}

/// What one pool of a route counted since it came; probes are not counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The pool's label.
    pub label: String,
    /// Requests that were given to it.
    pub requests: u64,
    /// Of these, those that went wrong: answers with a status of 500 or more, answers that broke off, and requests that
    /// the proxy answered itself because no backend could.
    pub errors: u64,
    /// From a request's head to its response's head, time held included: the largest value of each bucket that is not
    /// empty in microseconds, ascending, and how many answers fell into it. Buckets are narrow: at most 1/32 of the value.
    pub latency: Vec<(u64, u64)>,
}

/// Names a route.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ById {
    pub(crate) id: String,
}

/// Names a route and how long to wait.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HoldRequest {
    pub(crate) id: String,
    pub(crate) wait_ms: u64,
}

/// Names a route and says whether it is under maintenance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MaintenanceRequest {
    pub(crate) id: String,
    pub(crate) on: bool,
}

/// Names a pool of a route and how long to wait.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DrainRequest {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) wait_ms: u64,
}

/// Names a backend of a route.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BusyRequest {
    pub(crate) id: String,
    pub(crate) address: SocketAddr,
}

/// Requests under way.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Drained {
    pub(crate) inflight: u64,
}

/// Why a call was refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Reason>,
}

/// A reason that a caller may do something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reason {
    /// Somebody else listens on an address that a route wants.
    AddressInUse,
    /// One that a newer proxy knows.
    #[serde(other)]
    Other,
}
