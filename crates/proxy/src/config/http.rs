//! How a route speaks HTTP: limits, whom it believes, pages of its own. Everything has a default.

use std::collections::BTreeMap;
use std::path::PathBuf;

use landfall_model::{Network, Protocol};
use serde::{Deserialize, Serialize};

/// How HTTP is spoken to clients and instances of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpOptions {
    /// What instances speak.
    pub protocol: Protocol,
    /// The most bytes of a request's body, over which the answer is 413; `None` for any number.
    pub body: Option<u64>,
    /// For an instance to begin its answer while nothing of the request moves, in milliseconds.
    pub answer_ms: u64,
    /// The time in which a client that is waited for must send, or take, 64 KiB of a body or all that is left of it, in
    /// milliseconds. Bodies for instances of `h2c` may pause for `answer_ms`.
    pub stall_ms: u64,
    /// Proxies in front whose word on a client's address and protocol is taken.
    pub trusted: Vec<Network>,
    /// Whether those proxies begin each connection with the PROXY protocol; all routes of a listener must agree.
    pub proxy_protocol: bool,
    /// Pages of one's own for the proxy's own answers, by status from 400 to 599: HTML, read when the route is put.
    pub errors: BTreeMap<u16, PathBuf>,
    /// The page while maintenance is on; HTML, read when the route is put.
    pub maintenance: Option<PathBuf>,
    /// Whether its requests are logged.
    pub access_log: bool,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            protocol: Protocol::Http1,
            body: None,
            answer_ms: 600_000,
            stall_ms: 60_000,
            trusted: Vec::new(),
            proxy_protocol: false,
            errors: BTreeMap::new(),
            maintenance: None,
            access_log: true,
        }
    }
}

impl HttpOptions {
    /// Whether everything is as it is when nothing is said.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Says what is wrong with it, if anything is.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.proxy_protocol && self.trusted.is_empty() {
            return Err(
                "the PROXY protocol is only taken from proxies that are trusted, and none is".to_owned()
            );
        }
        for status in self.errors.keys() {
            if !(400..=599).contains(status) {
                return Err(format!(
                    "there is no error page for {status}: statuses of errors are 400 to 599"
                ));
            }
        }
        let pages = self.errors.values().chain(&self.maintenance);
        match pages.into_iter().find(|page| !page.is_absolute()) {
            Some(page) => Err(format!("the page {} must be absolute", page.display())),
            None => Ok(()),
        }
    }
}
