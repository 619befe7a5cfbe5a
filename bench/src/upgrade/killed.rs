//! The proxy is killed with SIGKILL: from then to the first answer on the same route.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use landfall_fx::{Clock as _, SystemClock};
use landfall_testkit::sandbox::signal;
use landfall_testkit::wait::wait_until;

use super::{BETWEEN, LIMIT};
use crate::live::Live;
use crate::report::Section;
use crate::stats::{Times, ms, spread};

const BOUND: Duration = Duration::from_millis(100);

/// The longest one attempt may wait for its answer.
const ATTEMPT: Duration = Duration::from_millis(500);

pub(super) fn measure(live: &Live, runs: u32, section: &mut Section) {
    let mut times = Times::default();
    for _ in 0..runs {
        SystemClock::new().sleep(BETWEEN);
        // Those that were replaced may still have streams to finish; the one that serves came last.
        let proxies =
            live.sandbox.processes().into_iter().filter(|process| process.is_role(&["proxy", "run"]));
        for proxy in proxies {
            signal(proxy.pid, rustix::process::Signal::KILL);
        }
        let begun = Instant::now();
        wait_until("the proxy answers again", LIMIT, || answers(&live.address).unwrap_or(false));
        times.add(begun.elapsed());
    }
    let took = times.median();
    section.bounded(
        "from `kill -9` of the proxy to the first answer on the same route",
        &ms(took),
        "100 ms",
        took < BOUND,
        &format!("asked again every 5 ms, over new connections, {}", spread(&times)),
    );
}

/// Whether a request is answered with 200.
fn answers(address: &str) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ATTEMPT))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: bench.localhost\r\nConnection: close\r\n\r\n")?;
    let mut begin = [0; 12];
    stream.read_exact(&mut begin)?;
    Ok(begin.ends_with(b" 200"))
}
