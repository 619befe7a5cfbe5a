//! Ports that nobody listens on.

use std::net::TcpListener;

/// An address on loopback that was free a moment ago.
///
/// # Panics
/// When the machine has no port left.
#[must_use]
pub fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").to_string()
}
