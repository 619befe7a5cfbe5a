//! A route as Landfall keeps it: what a Caddy is to do with requests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use landfall_model::{Network, Protocol, Sticky, Tls};
use serde::{Deserialize, Serialize};

/// The most pools of one route: one letter each in the names of the files that switch it.
pub const MAX_POOLS: usize = 8;

/// One route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Its name; stays the same through switches: `guestbook/dev/web`.
    pub id: String,
    /// The address for plain HTTP.
    pub listen: SocketAddr,
    /// The host it answers for, lower case; `*` for any that no other route names.
    pub host: String,
    /// The path prefix, starting with `/`; matches whole segments.
    pub prefix: String,
    /// Whether the prefix is taken off before the request goes on.
    pub strip: bool,
    /// Who answers, each with its part of the requests.
    pub pools: Vec<Share>,
    /// What keeps a client with one pool while several have a weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    /// HTTPS beside plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// How HTTP is spoken.
    #[serde(default)]
    pub http: Http,
    /// What whoever puts the route wants to get back with it; no part of the configuration.
    #[serde(default)]
    pub kept: serde_json::Value,
}

/// A pool and its part of a route's requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// What counts and draining go by.
    pub label: String,
    /// Who answers.
    pub backend: Backend,
    /// Its part is this of the sum of all weights of the route, rounded to a 256th.
    pub weight: u32,
}

/// Who answers the requests of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// HTTP servers; at least one.
    Instances(Vec<SocketAddr>),
    /// Caddy itself, with the files of a folder.
    Files(PathBuf),
}

/// How HTTP is spoken to clients and instances of a route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Http {
    /// What instances speak.
    pub protocol: Protocol,
    /// The most bytes of a request's body, over which the answer is 413.
    pub body: Option<u64>,
    /// For an instance to begin its answer, in milliseconds; 0 is no limit.
    pub answer_ms: u64,
    /// Proxies in front whose word on a client's address and protocol is taken.
    pub trusted: Vec<Network>,
    /// Whether those proxies begin each connection with the PROXY protocol.
    pub proxy_protocol: bool,
    /// Pages of one's own for Caddy's own answers, by status.
    pub errors: BTreeMap<u16, PathBuf>,
    /// The page while maintenance is on.
    pub maintenance: Option<PathBuf>,
}

impl Route {
    /// The route in the one form that is compared: host in lower case, no slash at the prefix's end.
    #[must_use]
    pub fn normal(mut self) -> Self {
        self.host = self.host.trim_end_matches('.').to_ascii_lowercase();
        if self.host.is_empty() {
            self.host.push('*');
        }
        self.prefix = format!("/{}", self.prefix.trim_matches('/'));
        self
    }

    /// The pool that the route goes by where one is needed: the last one with a weight.
    #[must_use]
    pub fn current(&self) -> Option<&Share> {
        self.pools.iter().rev().find(|share| share.weight > 0)
    }

    /// Its name as part of a path and of Caddy's own names: `guestbook.dev.web`.
    pub(crate) fn key(&self) -> String {
        key_of(&self.id)
    }
}

/// What a route's id is in paths: letters, digits and dashes stay as they are.
pub(crate) fn key_of(id: &str) -> String {
    id.bytes()
        .map(|byte| match byte {
            b'/' => ".".to_owned(),
            byte if byte.is_ascii_alphanumeric() || byte == b'-' => char::from(byte).to_string(),
            byte => format!("_{byte:02x}"),
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A route for everything on an address, with one pool.
    pub(crate) fn route(label: &str, addresses: &[&str]) -> Route {
        Route {
            id: "app/dev/web".to_owned(),
            listen: "127.0.0.1:8080".parse().unwrap(),
            host: "*".to_owned(),
            prefix: "/".to_owned(),
            strip: false,
            pools: vec![share(label, addresses, 1)],
            sticky: None,
            tls: None,
            http: Http::default(),
            kept: serde_json::Value::Null,
        }
    }

    pub(crate) fn share(label: &str, addresses: &[&str], weight: u32) -> Share {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Share { label: label.to_owned(), backend: Backend::Instances(addresses), weight }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_ids_have_the_same_key() {
        assert_eq!(key_of("guestbook/dev/web"), "guestbook.dev.web");
        assert_ne!(key_of("a.b"), key_of("a/b"));
        assert_ne!(key_of("a_2e"), key_of("a."));
    }
}
