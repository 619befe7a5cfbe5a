//! A port of this host that a part was to be reached at and somebody else has: which one, and who that is.

use std::fs;
use std::net::SocketAddr;

use landfall_model::{Fault, Release};
use landfall_shim::evidence;

use crate::host::LocalHost;

/// How engines say it (libnetwork's port mapper and its proxy): what stands before ends with the address, or with the
/// addresses of both sides since version 28.
const PHRASES: [&str; 3] =
    [": bind: address already in use", " failed: port is already allocated", ": address already in use"];

/// What version 28 and later say in front of the addresses.
const BOTH_SIDES: &str = "failed to bind host port ";

/// The port that is said to be taken, if any is.
pub(super) fn taken(text: &str) -> Option<u16> {
    let end = PHRASES.iter().find_map(|phrase| text.find(phrase))?;
    let before = &text[..end];
    let address = match before.rsplit_once(BOTH_SIDES) {
        Some((_, addresses)) => {
            let host = addresses.trim_start_matches("for ");
            // An address of the sixth version has its own colons in brackets.
            let ports = host.find("]:").map_or(host, |at| &host[at..]);
            ports.split(':').nth(1)?
        }
        None => before.rsplit(':').next()?,
    };
    address.split('/').next()?.parse().ok()
}

impl LocalHost {
    /// That a part could not be started because of its port.
    pub(super) fn port_taken(&self, release: &Release, part: Option<&str>, port: u16) -> Fault {
        let what = part.map_or_else(|| release.id.to_string(), |part| format!("`{part}`"));
        let holder = self.holder(port);
        let by = holder.as_deref().map_or_else(String::new, |holder| format!(" by {holder}"));
        let who = holder.as_deref().unwrap_or("what has it");
        Fault::machine(format!("{what} could not be started: the port {port} of this host is taken{by}"))
            .help(format!("stop {who}, or let the compose file publish another port"))
    }

    /// Who has a port: a container that it leads to, or else a process.
    fn holder(&self, port: u16) -> Option<String> {
        let engine = self.docker().ok()?;
        let all = self.wait_for(engine.list(&[])).unwrap_or_default();
        if let Some(container) = all.iter().find(|container| container.ports.contains(&port)) {
            return Some(format!("the container {}", container.name));
        }
        if !engine.about().is_local() {
            return None;
        }
        let network = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let here = network("self");
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let pids = names.filter(|pid| network(pid) == here).filter_map(|pid| pid.parse().ok());
        let listeners = evidence::listeners(&pids.collect::<Vec<u32>>());
        let has = |address: &str| address.parse::<SocketAddr>().is_ok_and(|address| address.port() == port);
        let pid = listeners.iter().find(|listener| has(&listener.address))?.pid;
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Some(format!("the process {pid} ({})", name.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::taken;

    #[test]
    fn every_engine_says_which_port_it_is() {
        for text in [
            "driver failed programming external connectivity on endpoint p-web-1 (1f): Error starting userland proxy: \
             listen tcp4 0.0.0.0:18080: bind: address already in use",
            "driver failed programming external connectivity on endpoint p-web-1 (1f): Bind for 0.0.0.0:18080 failed: \
             port is already allocated",
            "failed to set up container networking: driver failed programming external connectivity on endpoint x: \
             failed to bind host port for 0.0.0.0:18080:172.18.0.2:80/tcp: address already in use",
            "failed to bind host port 127.0.0.1:18080/tcp: address already in use",
            "failed to bind host port for [::1]:18080:172.18.0.2:80/tcp: address already in use",
        ] {
            assert_eq!(taken(text), Some(18080), "{text}");
        }
        assert_eq!(taken("exec: \"x\": not found"), None);
    }
}
