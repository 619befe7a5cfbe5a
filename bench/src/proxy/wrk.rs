//! The load generator: wrk, with a script that prints exact figures.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use landfall_testkit::wait::wait_for;

/// Its threads.
const THREADS: u32 = 2;

/// For one answer; more counts as an error.
const TIMEOUT: &str = "10s";

/// Prints requests, microseconds, the 50th and 99th percentile in microseconds, and every error.
const SCRIPT: &str = r#"
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("figures %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"#;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// `http://127.0.0.1:8080/`.
    pub(crate) url: &'a str,
    /// Connections at once.
    pub(crate) connections: u32,
    /// Whether each request has a connection of its own.
    pub(crate) close: bool,
    /// How long.
    pub(crate) seconds: u32,
}

/// What came of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) requests: u64,
    pub(crate) lasted: Duration,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Connections, reads and writes that failed, answers of 400 and more, answers that took too long.
    pub(crate) errors: u64,
}

impl Asked<'_> {
    /// Sends as much as is answered.
    ///
    /// # Panics
    /// When wrk cannot be run or prints no figures.
    pub(crate) fn run(self) -> Run {
        let mut script = tempfile::Builder::new().suffix(".lua").tempfile().expect("a temporary file");
        script.write_all(SCRIPT.as_bytes()).expect("a temporary file can be written");
        let mut command = Command::new("wrk");
        command.args(["-t", &THREADS.to_string(), "-c", &self.connections.to_string()]);
        command.args(["-d", &format!("{}s", self.seconds), "--timeout", TIMEOUT]);
        if self.close {
            command.args(["-H", "Connection: close"]);
        }
        command.arg("-s").arg(script.path()).arg(self.url).stdin(Stdio::null());
        let output = command.output().expect("wrk can be started");
        let text = String::from_utf8_lossy(&output.stdout);
        read(&text).unwrap_or_else(|| {
            panic!("wrk printed no figures: {text}{}", String::from_utf8_lossy(&output.stderr))
        })
    }
}

/// Finds the figures in what wrk printed.
fn read(text: &str) -> Option<Run> {
    let line = text.lines().find_map(|line| line.strip_prefix("figures "))?;
    let numbers: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [requests, lasted, p50, p99, errors] = numbers[..] else { return None };
    let [lasted, p50, p99] = [lasted, p50, p99].map(Duration::from_micros);
    Some(Run { requests, lasted, p50, p99, errors })
}

/// Waits until something listens there.
pub(crate) fn accepts(address: &str, limit: Duration) -> bool {
    wait_for(limit, || TcpStream::connect(address).ok()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_and_nothing_else_is_taken_for_them() {
        let run = read("Running 1s test\nfigures 100 1000000 20 99 1\n").unwrap();
        let [lasted, p50, p99] = [1_000_000, 20, 99].map(Duration::from_micros);
        assert_eq!(run, Run { requests: 100, lasted, p50, p99, errors: 1 });
        assert_eq!(read("unable to connect"), None);
        assert_eq!(read("figures 1 2"), None);
    }
}
