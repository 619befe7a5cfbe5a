//! Addresses for instances: free ports of the loopback, chosen by the kernel, none given out twice.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use landfall_model::Fault;
use landfall_shim::evidence;

/// How often the kernel is asked again for a port that is not given out already.
const TRIES: usize = 64;

/// `count` addresses such as `127.0.0.1:41873` that nobody listens on and that are not in `taken`. All are held open
/// until the last is chosen, so that they differ.
pub(crate) fn choose(count: usize, taken: &BTreeSet<String>) -> Result<Vec<String>, Fault> {
    let mut held = Vec::new();
    let mut chosen = Vec::new();
    for _ in 0..count.saturating_add(TRIES) {
        if chosen.len() == count {
            return Ok(chosen);
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .map_err(|e| Fault::machine(format!("no free port on the loopback: {e}")))?;
        let address =
            listener.local_addr().map_err(|e| Fault::machine(format!("a port has no address: {e}")))?;
        held.push(listener);
        let address = address.to_string();
        if !taken.contains(&address) {
            chosen.push(address);
        }
    }
    if chosen.len() == count {
        Ok(chosen)
    } else {
        Err(Fault::machine("no free port on the loopback was found"))
    }
}

/// Whether nobody listens on an address.
pub(crate) fn is_free(address: &str) -> bool {
    TcpListener::bind(address).is_ok()
}

/// The processes that listen on an address, as far as this user may see.
pub(crate) fn holders(address: &str) -> Vec<u32> {
    let Some(port) = address.rsplit(':').next() else { return Vec::new() };
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids: Vec<u32> = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let listeners = evidence::listeners(&pids).into_iter();
    listeners.filter(|l| l.address.rsplit(':').next() == Some(port)).map(|l| l.pid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_differ_and_avoid_those_taken() {
        let first = choose(8, &BTreeSet::new()).unwrap();
        let taken: BTreeSet<String> = first.iter().cloned().collect();
        assert_eq!(taken.len(), 8);
        assert!(choose(8, &taken).unwrap().iter().all(|address| !taken.contains(address)));
    }

    #[test]
    fn an_address_that_is_held_is_not_free_and_its_holder_is_known() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert!(!is_free(&address));
        assert_eq!(holders(&address), [std::process::id()]);
        drop(listener);
        assert!(is_free(&address));
        assert!(holders(&address).is_empty());
    }
}
