//! The routing table: which route a request belongs to. Immutable; each worker has its own copy, replaced as a whole.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::HeaderValue;
use landfall_model::{Network, canonical, listeners_of};

use super::choice::{Choice, Wish};
use super::pool::Backends;
use super::route::Route;
use super::stats::PoolStats;
use crate::RouteConfig;
use crate::page::Pages;

/// A route as one worker sees it. Reference counts are not shared between workers, so that they cost no cache misses.
pub(crate) struct Entry {
    pub(crate) config: Arc<RouteConfig>,
    /// The epoch of `route` that this entry is of, always even.
    pub(crate) epoch: u64,
    pub(crate) worker: usize,
    pub(crate) route: Arc<Route>,
    /// In the configuration's order.
    pub(crate) pools: Box<[PoolEntry]>,
    pub(crate) choice: Choice,
    pub(crate) pages: Arc<Pages>,
    /// What tells browsers that came over HTTPS to use nothing else.
    pub(crate) hsts: Option<HeaderValue>,
}

/// One pool of a route as one worker sees it.
pub(crate) struct PoolEntry {
    pub(crate) label: Arc<str>,
    pub(crate) stats: Arc<PoolStats>,
    pub(crate) backends: Arc<Backends>,
}

impl Entry {
    /// The index of the pool that a request goes to; see [`Choice::choose`].
    pub(crate) fn choose(&self, wish: &Wish<'_>) -> usize {
        self.choice.choose(wish)
    }

    /// The `Set-Cookie` for a request that was given this pool, if its client is to remember it.
    pub(crate) fn cookie(&self, wish: &Wish<'_>, chosen: usize) -> Option<&HeaderValue> {
        self.choice.cookie(wish, chosen)
    }
}

/// All routes by address, host and prefix. Each listener has the routes of those too that take what comes to it: a
/// connection finds all that it may, whichever socket it came in by.
#[derive(Default)]
pub(crate) struct Table {
    listeners: Vec<(SocketAddr, Hosts)>,
}

#[derive(Default)]
struct Hosts {
    named: HashMap<String, Vec<Arc<Entry>>>,
    any: Vec<Arc<Entry>>,
    /// The proxies in front that begin each connection with the PROXY protocol.
    proxies: Vec<Network>,
}

impl Table {
    /// Builds the table. Configurations are in their normal form; no two with the same host and prefix have addresses that
    /// overlap.
    pub(crate) fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut own: HashMap<SocketAddr, Vec<Arc<Entry>>> = HashMap::new();
        for entry in entries.into_iter().map(Arc::new) {
            for listen in entry.config.addresses().map(canonical) {
                own.entry(listen).or_default().push(Arc::clone(&entry));
            }
        }
        let hosts = |listen| {
            let mut hosts = Hosts::default();
            listeners_of(listen).filter_map(|at| own.get(&at)).flatten().for_each(|entry| hosts.add(entry));
            hosts
        };
        Self { listeners: own.keys().map(|listen| (*listen, hosts(*listen))).collect() }
    }

    /// The nearest listener that takes what comes to this address of the machine.
    fn hosts(&self, local: SocketAddr) -> Option<&Hosts> {
        let at = |listen| self.listeners.iter().find(|(address, _)| *address == listen);
        listeners_of(local).find_map(at).map(|(_, hosts)| hosts)
    }

    /// Whether a connection from there begins with the PROXY protocol.
    pub(crate) fn expects_preamble(&self, local: SocketAddr, peer: IpAddr) -> bool {
        let hosts = self.hosts(local);
        hosts.is_some_and(|hosts| hosts.proxies.iter().any(|network| network.contains(peer)))
    }

    /// The route of a request that came to the address `local` of this machine: the host's own routes before those for any
    /// host, longer prefixes before shorter ones. `host` may have capitals, a port and a final dot.
    pub(crate) fn find(&self, local: SocketAddr, host: &str, path: &str) -> Option<&Arc<Entry>> {
        let hosts = self.hosts(local)?;
        let first = |routes: &'_ [Arc<Entry>]| {
            routes.iter().position(|entry| has_prefix(path, entry.config.path_prefix()))
        };
        if !hosts.named.is_empty()
            && let Some(routes) = hosts.named.get(bare_host(host).as_ref())
            && let Some(index) = first(routes)
        {
            return routes.get(index);
        }
        hosts.any.get(first(&hosts.any)?)
    }
}

impl Hosts {
    fn add(&mut self, entry: &Arc<Entry>) {
        if entry.config.http.proxy_protocol {
            self.proxies.extend(&entry.config.http.trusted);
            self.proxies.sort_unstable();
            self.proxies.dedup();
        }
        let routes = match entry.config.host.as_str() {
            "*" => &mut self.any,
            host => self.named.entry(host.to_owned()).or_default(),
        };
        let at = routes
            .partition_point(|other| other.config.path_prefix().len() >= entry.config.path_prefix().len());
        routes.insert(at, Arc::clone(entry));
    }
}

/// Whether `path` lies under `prefix`, segment by segment. An empty prefix is all paths.
fn has_prefix(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

/// The host in lower case without port and final dot.
pub(crate) fn bare_host(host: &str) -> Cow<'_, str> {
    let name = match host.rfind(':') {
        // The colons of an IPv6 address without a port are inside brackets.
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(name.to_ascii_lowercase());
    }
    Cow::Borrowed(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing;

    fn entry(id: &str, listen: &str, host: &str, prefix: &str) -> Entry {
        let mut config = testing::route(id);
        config.listen = listen.parse().unwrap();
        config.host = host.to_owned();
        config.prefix = prefix.to_owned();
        config.normalize();
        Entry {
            choice: Choice::new(&config),
            config: Arc::new(config),
            epoch: 0,
            worker: 0,
            route: Arc::new(Route::new(1)),
            pools: Box::new([]),
            pages: Arc::default(),
            hsts: None,
        }
    }

    #[test]
    fn the_most_specific_route_wins() {
        let table = Table::new([
            entry("any", "127.0.0.1:80", "*", "/"),
            entry("any-api", "127.0.0.1:80", "*", "/api"),
            entry("shop", "127.0.0.1:80", "Shop.example.", "/"),
            entry("shop-api", "127.0.0.1:80", "shop.example", "/api/"),
            entry("shop-v2", "127.0.0.1:80", "shop.example", "/api/v2"),
            entry("part", "127.0.0.1:80", "part.example", "/only"),
            entry("six", "127.0.0.1:80", "[::1]", "/"),
            entry("other", "127.0.0.1:81", "other.example", "/"),
            entry("all", "0.0.0.0:81", "all.example", "/"),
            entry("all-api", "0.0.0.0:81", "other.example", "/api"),
            entry("both", "[::]:81", "both.example", "/"),
        ]);
        let cases = [
            ("127.0.0.1:80", "x.example", "/", Some("any")),
            ("127.0.0.1:80", "", "/api", Some("any-api")),
            ("127.0.0.1:80", "x.example", "/apis", Some("any")),
            ("127.0.0.1:80", "SHOP.example:8080", "/", Some("shop")),
            ("127.0.0.1:80", "shop.example.", "/api", Some("shop-api")),
            ("127.0.0.1:80", "shop.example", "/api/v1", Some("shop-api")),
            ("127.0.0.1:80", "shop.example", "/api/v2/x", Some("shop-v2")),
            ("127.0.0.1:80", "shop.example", "/api/v22", Some("shop-api")),
            ("127.0.0.1:80", "shop.example", "*", Some("shop")),
            ("127.0.0.1:80", "part.example", "/only/x", Some("part")),
            ("127.0.0.1:80", "part.example", "/other", Some("any")),
            ("127.0.0.1:80", "[::1]:8080", "/", Some("six")),
            ("127.0.0.1:80", "[::1]", "/", Some("six")),
            ("127.0.0.1:81", "other.example", "/", Some("other")),
            ("127.0.0.1:81", "x.example", "/", None),
            ("127.0.0.1:81", "all.example", "/", Some("all")),
            ("127.0.0.1:81", "other.example", "/api/x", Some("all-api")),
            ("127.0.0.1:81", "both.example", "/", Some("both")),
            ("10.0.0.1:81", "all.example", "/", Some("all")),
            ("10.0.0.1:81", "both.example", "/", Some("both")),
            ("10.0.0.1:81", "other.example", "/", None),
            ("[::ffff:127.0.0.1]:81", "other.example", "/", Some("other")),
            ("[::1]:81", "both.example", "/", Some("both")),
            ("[::1]:81", "all.example", "/", None),
            ("127.0.0.1:82", "x.example", "/", None),
        ];
        for (listen, host, path, want) in cases {
            let got = table.find(listen.parse().unwrap(), host, path).map(|entry| entry.config.id.as_str());
            assert_eq!(got, want, "{listen} {host} {path}");
        }
    }
}
