//! Ports that nobody listens on, each for one test alone.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the ports that the kernel gives to connections by itself (32768 and up): one of those is taken again before a
/// deploy that builds comes to listen on it.
const FIRST: u32 = 16_000;
const COUNT: u32 = 16_000;

/// Apart from each other, so that tests beside each other ask for different ones.
const STRIDE: u32 = 257;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Locks on the ports that this process gave out: a test listens long after it asked, and another must not be given the
/// same port meanwhile. The kernel lets go of them when the process ends.
static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// An address on loopback that was free a moment ago, and that no other test is given.
///
/// # Panics
/// When the machine has no port left.
#[must_use]
pub fn free_address() -> String {
    let first = std::process::id().wrapping_mul(7919);
    (0..COUNT)
        .map(|_| first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(STRIDE)))
        .map(|number| format!("127.0.0.1:{}", FIRST + number % COUNT))
        .find(|address| is_ours_alone(address) && TcpListener::bind(address).is_ok())
        .expect("loopback has a free port")
}

/// Locks the address for this process, unless another has it. Where there is no place for locks nobody has any.
fn is_ours_alone(address: &str) -> bool {
    let folder: PathBuf = std::env::temp_dir().join("landfall-test-ports");
    let file = fs::create_dir_all(&folder).and_then(|()| File::create(folder.join(address)));
    let Ok(file) = file else { return true };
    let ours = file.try_lock().is_ok();
    if ours {
        HELD.lock().expect("nothing panics in here").push(file);
    }
    ours
}
