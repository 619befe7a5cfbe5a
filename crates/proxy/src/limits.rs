//! Every limit of the data plane and of the control socket, with its name and why it is what it is.

use std::time::Duration;

use landfall_http1::Limits;

/// A request's head: its bytes, start line included, over which the answer is 431; its target, over which it is 414;
/// its fields, over which it is 431.
pub(crate) const CLIENT_HEAD: Limits = Limits { head: 64 * 1024, target: 16 * 1024, fields: 100 };
/// An answer's head, over which the answer to the client is 502. The target does not matter.
pub(crate) const BACKEND_HEAD: Limits = Limits { head: 64 * 1024, target: 64 * 1024, fields: 200 };
/// A client's name for a request; a longer one is replaced.
pub(crate) const MAX_REQUEST_ID: usize = 200;
/// What a proxy in front may say in the PROXY protocol, in bytes.
pub(crate) const MAX_PREAMBLE: usize = 2048;
/// Requests under way on one HTTP/2 connection.
pub(crate) const MAX_STREAMS: u32 = 128;
/// Bytes of one stream that HTTP/2's flow control lets be under way.
pub(crate) const MAX_STREAM_WINDOW: u32 = 256 * 1024;
/// The same of a connection of one client, which bounds what it can have in memory.
pub(crate) const MAX_CONNECTION_WINDOW: u32 = 1024 * 1024;
/// The same of a connection to a back end: none, for clients share it and one that does not read must hold back none but
/// itself; what is in memory is bounded by the windows of the streams. The most that there is (RFC 9113, section 6.9.1).
pub(crate) const BACKEND_CONNECTION_WINDOW: u32 = (1 << 31) - 1;
/// Streams that were given up and are remembered for a second, so that what is still under way of them is no error.
pub(crate) const MAX_FORGOTTEN_RESETS: usize = 64;
/// Streams that a client gave up before they were looked at, over which its connection is closed.
pub(crate) const MAX_PENDING_RESETS: usize = 32;
/// Streams that a client gave up before their answer began, over which, if they are more than half of all, its
/// connection is closed.
pub(crate) const MAX_RESETS: u32 = 200;
/// Answers of 1xx before the one that counts.
pub(crate) const MAX_INTERIM: u32 = 16;
/// The most bytes that one connection buffers in one direction; bounds memory, and is what one read can bring.
pub(crate) const MAX_BUFFER: usize = 256 * 1024;
/// Client connections of one worker; further ones wait in the kernel's queue.
pub(crate) const MAX_CONNECTIONS: usize = 32 * 1024;
/// Descriptors that are kept for what is neither a client nor a back end: listeners, files, control calls, health checks;
/// a quarter of all where there are few.
const RESERVED_DESCRIPTORS: u64 = 256;
/// From a request's first byte to the end of its head.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// A client connection without a request.
pub(crate) const IDLE_CLIENT_TIMEOUT: Duration = Duration::from_secs(75);
/// A client of which nothing came for this long is asked, by the kernel, whether it is there.
pub(crate) const SILENT_CLIENT: Duration = Duration::from_secs(60);
/// It is asked again after this long without an answer.
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(15);
/// Its connection ends after so many of these.
pub(crate) const UNANSWERED_ASKS: u32 = 4;
/// A pooled backend connection without a request.
pub(crate) const IDLE_BACKEND_TIMEOUT: Duration = Duration::from_secs(30);
/// Idle connections that one worker keeps to one backend.
pub(crate) const MAX_IDLE_PER_BACKEND: usize = 512;
/// For a backend to accept a connection.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A client that takes less than [`STALL_BYTES`] of an answer of the proxy's own in this time is given up; for a route's
/// answers and bodies it is the route's `stall_ms` (60 s).
pub(crate) const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// What must move of a body in that time, or all that is left of it: slow clients must not hold an instance's workers.
pub(crate) const STALL_BYTES: u64 = 64 * 1024;
/// How long a client that was answered before it sent all of its body may go on sending.
pub(crate) const LINGER: Duration = Duration::from_secs(5);
/// Bytes of such a body that are read and dropped.
pub(crate) const MAX_SKIPPED: u64 = 256 * 1024;
/// How often a request that may be sent again is sent at most.
pub(crate) const MAX_ATTEMPTS: usize = 4;
/// Requests and streams under way when the proxy ends get this long; another one may serve meanwhile.
pub(crate) const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);
/// How often deadlines of connections are looked at; they are this coarse.
pub(crate) const SWEEP: Duration = Duration::from_secs(1);
/// Connections the kernel queues for a listener of one worker.
pub(crate) const BACKLOG: i32 = 4096;
/// A backend that is down is looked at this often, so that its return is seen soon.
pub(crate) const RECHECK: Duration = Duration::from_millis(50);
/// Health checks in a row that must go wrong (other than by a refused connection) before a backend is down.
pub(crate) const UNHEALTHY_AFTER: u32 = 2;
/// Health checks of a backend that `status` counts, the newest; at most 63.
pub(crate) const REMEMBERED_CHECKS: u32 = 20;
/// Pools that a route remembers counts of, beside those with requests under way.
pub(crate) const MAX_REMEMBERED_POOLS: usize = 8;
/// The largest body of a control call.
pub(crate) const MAX_CONTROL_BODY: usize = 1024 * 1024;
/// The longest that a request is held, and a hold outlives the proxy, whatever the route's limit says.
pub(crate) const MAX_HOLD: Duration = Duration::from_secs(24 * 3600);
/// The longest a control call may wait.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);
/// A file up to this many bytes is read in one go; a larger one is streamed in pieces of this size.
pub(crate) const FILE_CHUNK: usize = 64 * 1024;
/// The largest page of one's own for an answer of the proxy's, in bytes.
pub(crate) const MAX_PAGE: u64 = 1024 * 1024;
/// Pages of one's own that a route may have.
pub(crate) const MAX_PAGES: usize = 32;
/// The sizes of files that are compressed here, in bytes; larger ones are sent as they are, or as their build compressed
/// them.
pub(crate) const COMPRESSED: std::ops::RangeInclusive<u64> = 512..=1024 * 1024;
/// Bytes of compressed files that a proxy keeps.
pub(crate) const MAX_COMPRESSED_KEPT: usize = 16 * 1024 * 1024;
/// Routes of one proxy.
pub(crate) const MAX_ROUTES: usize = 10_000;
/// Notes that `status` shows; older ones go.
pub(crate) const MAX_NOTES: usize = 50;

/// How many clients one of so many workers takes where the process may have `descriptors`, `None` for any number. A quarter
/// of what is not reserved is left for back ends: most connections of clients are idle most of the time.
pub(crate) fn connections(descriptors: Option<u64>, workers: usize) -> usize {
    let Some(all) = descriptors else { return MAX_CONNECTIONS };
    let clients = (all - RESERVED_DESCRIPTORS.min(all / 4)) / 4 * 3;
    usize::try_from(clients).unwrap_or(MAX_CONNECTIONS).div_euclid(workers.max(1)).clamp(1, MAX_CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use landfall_model::HoldLimits;

    use super::*;
    use crate::HttpOptions;

    fn bytes(count: u64) -> String {
        match count {
            count if count.is_multiple_of(1 << 20) => format!("{} MiB", count >> 20),
            count => format!("{} KiB", count >> 10),
        }
    }

    fn time(time: Duration) -> String {
        match time.as_secs() {
            86_400 => "a day".to_owned(),
            seconds if seconds > 60 => format!("{} min", seconds / 60),
            seconds => format!("{seconds} s"),
        }
    }

    /// As people write it: `10,000`.
    fn grouped(count: u64) -> String {
        if count < 1000 {
            count.to_string()
        } else {
            format!("{},{:03}", grouped(count / 1000), count % 1000)
        }
    }

    fn size(count: usize) -> String {
        bytes(count as u64)
    }

    /// Rows of the reference about messages and connections.
    fn of_messages() -> Vec<(&'static str, String)> {
        let http = HttpOptions::default();
        let (answer, stall) = (Duration::from_millis(http.answer_ms), Duration::from_millis(http.stall_ms));
        let Limits { head, target, fields } = CLIENT_HEAD;
        let back = BACKEND_HEAD;
        vec![
            (
                "a request's head; its target; its fields",
                format!("{}, then 431; {}, then 414; {fields}, then 431", size(head), size(target)),
            ),
            ("an answer's head; its fields", format!("{}; {}; then 502", size(back.head), back.fields)),
            ("a request's body", "none, or `http.body`; then 413".to_owned()),
            ("a request's head to arrive", time(HEAD_TIMEOUT)),
            (
                "a body to move while its client is waited for, at least 64 KiB of it or all that is left",
                time(stall),
            ),
            (
                "a pause of a request's body on its way to an instance of `h2c`",
                format!("{}, or `http.timeout`", time(answer)),
            ),
            (
                "an instance to accept a connection; to begin its answer",
                format!("{}; {}, or `http.timeout`, then 504", time(CONNECT_TIMEOUT), time(answer)),
            ),
            (
                "an idle connection of a client; of an instance",
                format!("{} s; {} s", IDLE_CLIENT_TIMEOUT.as_secs(), IDLE_BACKEND_TIMEOUT.as_secs()),
            ),
            (
                "a silent client that vanished, to be noticed",
                time(SILENT_CLIENT + ASK_AGAIN * UNANSWERED_ASKS),
            ),
            ("a client whose instance ended a stream, to close as well", time(stall)),
            ("idle connections kept to one instance by one thread", MAX_IDLE_PER_BACKEND.to_string()),
            (
                "connections of clients to one thread; further ones wait",
                format!("{}, fewer if the process may open few files", grouped(MAX_CONNECTIONS as u64)),
            ),
            ("requests at once on a connection of HTTP/2; further ones are refused", MAX_STREAMS.to_string()),
            (
                "requests that a connection of HTTP/2 gives up before their answer begins, if they are more than half of all",
                format!("{MAX_RESETS}, then it is closed"),
            ),
        ]
    }

    /// Rows about routes.
    fn of_routes() -> Vec<(&'static str, String)> {
        let hold = HoldLimits::default();
        vec![
            (
                "requests held",
                format!(
                    "{}, {} of bodies, {}, or `hold`; then 503",
                    grouped(hold.requests.into()),
                    bytes(hold.bytes),
                    time(hold.time.duration())
                ),
            ),
            ("a hold, whatever `hold` says", time(MAX_HOLD)),
            (
                "times that a request is sent again when an instance closed before it answered",
                (MAX_ATTEMPTS - 1).to_string(),
            ),
            (
                "health checks in a row that take an instance out; until one brings it back",
                UNHEALTHY_AFTER.to_string(),
            ),
            ("pages of one's own; one of them", format!("{MAX_PAGES}; {}", bytes(MAX_PAGE))),
            ("routes", grouped(MAX_ROUTES as u64)),
            ("bytes buffered of one connection, in each direction", size(MAX_BUFFER)),
        ]
    }

    #[test]
    fn clients_leave_descriptors_for_back_ends() {
        assert_eq!(connections(None, 2), MAX_CONNECTIONS);
        assert_eq!(connections(Some(1 << 20), 2), MAX_CONNECTIONS);
        assert_eq!(connections(Some(20_000), 2), 7404);
        assert_eq!(connections(Some(1024), 4), 144);
        assert_eq!([connections(Some(8), 128), connections(Some(0), 0)], [1, 1]);
    }

    #[test]
    fn the_reference_has_the_limits_that_are_kept() {
        let page = include_str!("../../../docs/reference/proxy.md");
        let all = [of_messages(), of_routes()].concat();
        for (what, limit) in &all {
            let row = format!("\n| {what} | {limit} |\n");
            assert!(page.contains(&row), "docs/reference/proxy.md does not say {row}");
        }
        let rows = page.split("## Limits").nth(1).and_then(|rest| rest.split("## ").next()).unwrap();
        let said = rows.lines().filter(|line| line.starts_with("| ")).count();
        assert_eq!(said, 1 + all.len(), "a row is not checked");
    }
}
