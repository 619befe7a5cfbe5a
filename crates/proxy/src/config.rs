//! What the proxy is told: routes with their pools, as they are sent to it and as `proxy.json` keeps them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The longest a route's id, host, prefix or label may be, in bytes.
const MAX_NAME: usize = 1024;
/// The most backends of one pool.
const MAX_BACKENDS: usize = 1000;

/// One route: where requests come in and the pool that they go to.
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
    /// Who answers.
    pub pool: Pool,
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
    /// Threads that serve requests; 0 for one a core.
    pub workers: usize,
}

impl RouteConfig {
    /// Puts host and prefix into the one form that they are compared in: lower case, no trailing slash.
    pub(crate) fn normalize(&mut self) {
        self.host = self.host.trim_end_matches('.').to_ascii_lowercase();
        if self.host.is_empty() {
            self.host.push('*');
        }
        self.prefix = format!("/{}", self.prefix.trim_matches('/'));
    }

    /// The prefix that a request's path starts with: empty for the whole host, `/api` otherwise.
    pub(crate) fn path_prefix(&self) -> &str {
        if self.prefix == "/" { "" } else { &self.prefix }
    }

    /// Says what is wrong with it, if anything is.
    pub(crate) fn check(&self) -> Result<(), String> {
        let texts =
            [("id", &self.id), ("host", &self.host), ("prefix", &self.prefix), ("label", &self.pool.label)];
        for (name, text) in texts {
            let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
            if text.is_empty() || text.len() > MAX_NAME || !plain {
                return Err(format!(
                    "the route's {name} must be 1 to {MAX_NAME} printable ASCII characters without spaces, not {text:?}"
                ));
            }
        }
        if self.host.contains(['/', '@', '?', '#']) || (self.host != "*" && self.host.contains('*')) {
            return Err(format!("`{}` is no host name; `*` alone stands for any", self.host));
        }
        if self.prefix.contains(['?', '#']) {
            return Err(format!("the prefix `{}` is no path", self.prefix));
        }
        if self.listen.port() == 0 {
            return Err(format!("the route `{}` listens on port 0; give it a port", self.id));
        }
        match &self.pool.backend {
            Backend::Instances { addresses } if addresses.is_empty() || addresses.len() > MAX_BACKENDS => {
                Err(format!("the pool `{}` must have 1 to {MAX_BACKENDS} addresses", self.pool.label))
            }
            Backend::Files { root } if !root.is_absolute() => {
                Err(format!("the folder {} must be absolute", root.display()))
            }
            _ => Ok(()),
        }
    }
}
