//! Every limit of the data plane and of the control socket, with its name and why it is what it is.

use std::time::Duration;

use landfall_http1::Limits;

/// A request's head: its bytes, start line included, over which the answer is 431; its target, over which it is 414;
/// its fields, over which it is 431.
pub(crate) const CLIENT_HEAD: Limits = Limits { head: 64 * 1024, target: 16 * 1024, fields: 100 };
/// An answer's head, over which the answer to the client is 502. The target does not matter.
pub(crate) const BACKEND_HEAD: Limits = Limits { head: 64 * 1024, target: 64 * 1024, fields: 200 };
/// What a proxy in front may say in the PROXY protocol, in bytes.
pub(crate) const MAX_PREAMBLE: usize = 2048;
/// Requests under way on one HTTP/2 connection.
pub(crate) const MAX_STREAMS: u32 = 128;
/// Bytes of one stream, and of one connection, that HTTP/2's flow control lets be under way.
pub(crate) const MAX_STREAM_WINDOW: u32 = 256 * 1024;
/// The same of a connection.
pub(crate) const MAX_CONNECTION_WINDOW: u32 = 1024 * 1024;
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
/// From a request's first byte to the end of its head.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// A client connection without a request.
pub(crate) const IDLE_CLIENT_TIMEOUT: Duration = Duration::from_secs(75);
/// A pooled backend connection without a request.
pub(crate) const IDLE_BACKEND_TIMEOUT: Duration = Duration::from_secs(30);
/// Idle connections that one worker keeps to one backend.
pub(crate) const MAX_IDLE_PER_BACKEND: usize = 512;
/// For a backend to accept a connection.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A client that takes nothing of an answer of the proxy's own is given up after this; for a route's answers and
/// bodies it is the route's `stall_ms` (60 s), in which at least 64 KiB must move.
pub(crate) const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a client that was answered before it sent all of its body may go on sending.
pub(crate) const LINGER: Duration = Duration::from_secs(5);
/// Bytes of such a body that are read and dropped.
pub(crate) const MAX_SKIPPED: u64 = 256 * 1024;
/// How often a request that may be sent again is sent at most.
pub(crate) const MAX_ATTEMPTS: usize = 4;
/// Requests under way when the proxy ends get this long.
pub(crate) const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);
/// How often deadlines of connections are looked at; they are this coarse.
pub(crate) const SWEEP: Duration = Duration::from_secs(1);
/// Connections the kernel queues for a listener of one worker.
pub(crate) const BACKLOG: i32 = 4096;
/// A backend that is down is looked at this often, so that its return is seen soon.
pub(crate) const RECHECK: Duration = Duration::from_millis(50);
/// Health checks in a row that must go wrong (other than by a refused connection) before a backend is down.
pub(crate) const UNHEALTHY_AFTER: u32 = 2;
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
