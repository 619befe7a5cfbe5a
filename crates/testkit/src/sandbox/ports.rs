//! Ports that nobody listens on.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the ports that the kernel gives to connections by itself (32768 and up): one of those is taken again before a
/// deploy that builds comes to listen on it.
const FIRST: u32 = 16_000;
const COUNT: u32 = 16_000;

/// Apart from each other, so that tests beside each other ask for different ones.
const STRIDE: u32 = 257;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// An address on loopback that was free a moment ago.
///
/// # Panics
/// When the machine has no port left.
#[must_use]
pub fn free_address() -> String {
    let first = std::process::id().wrapping_mul(7919);
    (0..COUNT)
        .map(|_| first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(STRIDE)))
        .map(|number| format!("127.0.0.1:{}", FIRST + number % COUNT))
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("loopback has a free port")
}
