//! What the proxy is told: routes with their pools, as they are sent to it and as `proxy.json` keeps them.

mod check;
mod http;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use landfall_fx::TlsDir;
use landfall_model::{Sticky, Tls};
use serde::{Deserialize, Serialize};

pub use http::HttpOptions;

use crate::LogOptions;

/// One route: where requests come in and the pools that they go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteConfig {
    /// The route's name; stays the same through switches.
    pub id: String,
    /// The address it listens on. Routes may share one.
    pub listen: SocketAddr,
    /// The host it answers for, compared without case and port; `*` for any that no other route names.
    pub host: String,
    /// The path prefix, starting with `/`; matches whole segments (`/api` takes `/api` and `/api/x`, not `/apis`).
    pub prefix: String,
    /// Whether the prefix is taken off before the request goes on.
    pub strip: bool,
    /// Limits on requests while they are held.
    pub hold: HoldLimits,
    /// How backends are checked; `None`: only by whether they accept connections when needed.
    pub health: Option<HealthCheck>,
    /// Who answers, each with its part of the requests; at least one has a weight.
    pub pools: Vec<Share>,
    /// What makes a client's requests all go to one pool while several have a weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    /// HTTPS beside plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// How HTTP is spoken.
    #[serde(default, skip_serializing_if = "HttpOptions::is_default")]
    pub http: HttpOptions,
}

/// A pool and its part of a route's requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The pool.
    pub pool: Pool,
    /// Its part is this of the sum of all weights of the route; with 0 only probes that want it go to it.
    pub weight: u32,
}

/// Limits on held requests; one over a limit gets 503 with `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldLimits {
    /// Requests held at once.
    pub requests: u32,
    /// Bytes that all held requests together may have buffered, heads and bodies.
    pub bytes: u64,
    /// The longest one request is held, in milliseconds.
    pub time_ms: u64,
}

/// How a backend is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// The path asked for with GET; `None`: accepting a connection is enough.
    pub path: Option<String>,
    /// The statuses that count as healthy, inclusive.
    pub status: (u16, u16),
    /// Between two checks, in milliseconds.
    pub interval_ms: u64,
    /// For one answer, in milliseconds.
    pub timeout_ms: u64,
}

impl HealthCheck {
    /// Between two checks, never under 10 ms.
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms.max(10))
    }

    /// For one answer, never under 10 ms.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.max(10))
    }
}

/// A set of backends that stand for one another, with a label that the proxy only ever repeats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// What counts and draining go by: backends that are put under one label, also one after the other, are one pool.
    pub label: String,
    /// Who answers.
    pub backend: Backend,
}

/// Who answers the requests of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// HTTP servers; at least one.
    Instances {
        /// Where they listen.
        addresses: Vec<SocketAddr>,
    },
    /// The proxy itself, with the files of a folder.
    Files {
        /// The folder, absolute.
        root: PathBuf,
    },
}

/// What a proxy is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The control socket; made with mode 0600. Beside it lies a `.lock` that keeps a second proxy away.
    pub control: PathBuf,
    /// The file that keeps the routes.
    pub config: PathBuf,
    /// Where certificates and their keys are kept.
    pub tls: TlsDir,
    /// Threads that serve requests; 0 for one a core.
    pub workers: usize,
    /// Where requests are logged; `None` for nowhere.
    pub log: Option<LogOptions>,
    /// Where `GET /metrics` is answered beside the control socket, for a Prometheus server; `None` for nowhere. Whoever
    /// can connect may read them.
    pub metrics: Option<SocketAddr>,
    /// Whether it takes the place of a proxy that runs on the control socket; it simply starts where there is none.
    pub takeover: bool,
    /// Once another proxy took its place, requests, websockets and streams under way may take this long.
    pub drain: Duration,
}

impl Options {
    /// A proxy with one worker a core that logs no requests and is measured on its control socket alone. Its certificates
    /// are kept in the folder `tls` beside its configuration.
    #[must_use]
    pub fn new(control: impl Into<PathBuf>, config: impl Into<PathBuf>) -> Self {
        let config = config.into();
        let tls = TlsDir::new(&config.with_file_name("tls"));
        Self {
            control: control.into(),
            config,
            tls,
            workers: 0,
            log: None,
            metrics: None,
            takeover: false,
            drain: Duration::from_secs(3600),
        }
    }
}

impl RouteConfig {
    /// The pool that the route goes by where one is needed: the last one with a weight.
    #[must_use]
    pub fn current(&self) -> Option<&Pool> {
        self.pools.iter().rev().find(|share| share.weight > 0).map(|share| &share.pool)
    }

    /// The part of the requests that goes to the pool with this label, from 0 to 1; 0 for one that it does not have.
    #[must_use]
    pub fn share_of(&self, label: &str) -> f64 {
        let sum: u64 = self.pools.iter().map(|share| u64::from(share.weight)).sum();
        let own = self.pools.iter().find(|share| share.pool.label == label).map_or(0, |share| share.weight);
        #[expect(clippy::cast_precision_loss, reason = "at most eight 32-bit numbers")]
        let sum = sum.max(1) as f64;
        f64::from(own) / sum
    }

    /// The prefix that a request's path starts with: empty for the whole host, `/api` otherwise.
    pub(crate) fn path_prefix(&self) -> &str {
        if self.prefix == "/" { "" } else { &self.prefix }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A route with one pool of one instance, labelled `1`.
    pub(crate) fn route(id: &str) -> RouteConfig {
        let backend = Backend::Instances { addresses: vec![([127, 0, 0, 1], 9000).into()] };
        RouteConfig {
            id: id.to_owned(),
            listen: ([127, 0, 0, 1], 8080).into(),
            host: "*".to_owned(),
            prefix: "/".to_owned(),
            strip: false,
            hold: HoldLimits { requests: 1, bytes: 2, time_ms: 3 },
            health: None,
            pools: vec![Share { pool: Pool { label: "1".to_owned(), backend }, weight: 1 }],
            sticky: None,
            tls: None,
            http: HttpOptions::default(),
        }
    }
}
