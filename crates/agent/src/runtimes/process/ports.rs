//! Addresses for instances: free ports of the loopback, chosen by the kernel, none given out twice.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};

use landfall_model::Fault;

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
}
