//! Which certificate a handshake is about: immutable, replaced as a whole when routes change.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use landfall_model::{canonical, listeners_of};

use crate::slot::Slot;

/// The hosts of every listener.
#[derive(Debug, Default)]
pub(crate) struct Table {
    listeners: HashMap<SocketAddr, Hosts>,
}

#[derive(Debug, Default)]
struct Hosts {
    named: BTreeMap<String, Arc<Slot>>,
    any: Option<Arc<Slot>>,
}

impl Table {
    /// Of two for the same host on the same listener, the first is taken.
    pub(crate) fn new<'a>(slots: impl IntoIterator<Item = (SocketAddr, &'a Arc<Slot>)>) -> Self {
        let mut own: HashMap<SocketAddr, Vec<&Arc<Slot>>> = HashMap::new();
        for (listen, slot) in slots {
            own.entry(canonical(listen)).or_default().push(slot);
        }
        let hosts = |listen| Hosts::new(listeners_of(listen).filter_map(|at| own.get(&at)).flatten());
        Self { listeners: own.keys().map(|listen| (*listen, hosts(*listen))).collect() }
    }

    /// The place of a host's certificate for a connection to this address; without a host (a client that names none) that of
    /// any host, or the first by name.
    pub(crate) fn find(&self, local: SocketAddr, host: Option<&str>) -> Option<&Arc<Slot>> {
        let hosts = listeners_of(local).find_map(|listen| self.listeners.get(&listen))?;
        match host {
            Some(host) => hosts.named.get(host).or(hosts.any.as_ref()),
            None => hosts.any.as_ref().or_else(|| hosts.named.values().next()),
        }
    }
}

impl Hosts {
    fn new<'a>(slots: impl IntoIterator<Item = &'a &'a Arc<Slot>>) -> Self {
        let mut hosts = Self::default();
        for slot in slots {
            if slot.host == "*" {
                hosts.any.get_or_insert_with(|| Arc::clone(slot));
            } else {
                hosts.named.entry(slot.host.clone()).or_insert_with(|| Arc::clone(slot));
            }
        }
        hosts
    }
}

#[cfg(test)]
mod tests {
    use landfall_model::Certificate;

    use super::*;
    use crate::Wanted;

    #[test]
    fn the_named_host_wins_over_any_and_a_client_that_names_none_gets_any() {
        let listen = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let slot = |host: &str| {
            Arc::new(Slot::new(&Wanted {
                listen: listen(1),
                host: host.to_owned(),
                certificate: Certificate::Internal,
                route: String::new(),
            }))
        };
        let (any, a, b) = (slot("*"), slot("a.example"), slot("b.example"));
        let table = Table::new([(listen(1), &any), (listen(1), &b), (listen(2), &b), (listen(2), &a)]);
        let find = |port, host| table.find(listen(port), host).map(|slot| slot.host.as_str());
        assert_eq!(
            [find(1, Some("b.example")), find(1, Some("x")), find(1, None)],
            [Some("b.example"), Some("*"), Some("*")]
        );
        assert_eq!(
            [find(2, Some("a.example")), find(2, Some("x")), find(2, None)],
            [Some("a.example"), None, Some("a.example")]
        );
        assert_eq!(find(3, Some("a.example")), None);
    }

    #[test]
    fn a_listener_on_all_addresses_has_its_hosts_on_each() {
        let listen = |text: &str| text.parse::<SocketAddr>().unwrap();
        let slot = |host: &str| {
            Arc::new(Slot::new(&Wanted {
                listen: listen("0.0.0.0:1"),
                host: host.to_owned(),
                certificate: Certificate::Internal,
                route: String::new(),
            }))
        };
        let (all, here) = (slot("all.example"), slot("here.example"));
        let table = Table::new([(listen("0.0.0.0:1"), &all), (listen("127.0.0.1:1"), &here)]);
        let find = |at, host| table.find(listen(at), Some(host)).is_some();
        assert!(find("127.0.0.1:1", "all.example") && find("127.0.0.1:1", "here.example"));
        assert!(find("10.0.0.1:1", "all.example") && !find("10.0.0.1:1", "here.example"));
        assert!(!find("[::1]:1", "all.example"));
    }
}
