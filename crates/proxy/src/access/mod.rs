//! The access log: a line of JSON for each request, made in the worker's own buffer, written by a thread of its own.
//!
//! A worker never waits for the disk: when the writer does not keep up, lines are dropped and counted.

mod line;
mod writer;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use landfall_fx::{Clock, SystemClock};

use line::Moment;

/// A worker gives its lines to the writer once they have this many bytes.
const CHUNK: usize = 32 * 1024;
/// How often it gives them at the latest.
pub(crate) const FLUSH: Duration = Duration::from_millis(200);
/// Chunks that may wait for the writer, of all workers together: what bounds the memory of a slow disk.
const MAX_WAITING: usize = 256;

/// Where the log is kept and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// The file, made with mode 0600. Older ones beside it are called the same with `.1`, `.2` and so on at the end.
    pub path: PathBuf,
    /// A new file is begun at this many bytes.
    pub bytes: u64,
    /// Files kept, the current one included; at least 1.
    pub files: u32,
}

impl LogOptions {
    /// A log of at most five files of 100 MB.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), bytes: 100_000_000, files: 5 }
    }
}

/// One request and what became of it.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) id: &'a [u8],
    pub(crate) client: IpAddr,
    pub(crate) method: &'a str,
    pub(crate) host: &'a [u8],
    /// Path and query.
    pub(crate) target: &'a str,
    pub(crate) status: u16,
    /// Bytes of the request's body.
    pub(crate) received: u64,
    /// Bytes of the answer's body.
    pub(crate) sent: u64,
    /// From the head to the end of the answer.
    pub(crate) took: Duration,
    /// Of this, how long it was held.
    pub(crate) held: Duration,
    /// The route's id and the pool's label, when there is a route.
    pub(crate) route: Option<(&'a str, &'a str)>,
    pub(crate) backend: Option<SocketAddr>,
    /// `HTTP/1.1`, `HTTP/2`.
    pub(crate) protocol: &'static str,
    /// `TLSv1.3`, when it came in encrypted.
    pub(crate) tls: Option<&'static str>,
    pub(crate) agent: Option<&'a [u8]>,
    pub(crate) referer: Option<&'a [u8]>,
}

/// What all workers and the writer count.
#[derive(Debug, Default)]
pub(crate) struct LogCounts {
    pub(crate) written: AtomicU64,
    pub(crate) dropped: AtomicU64,
}

/// Lines on their way to the writer.
struct Chunk {
    text: Vec<u8>,
    lines: u64,
}

/// One worker's end of the log. Costs nothing when there is none.
pub(crate) struct AccessLog {
    writer: Option<SyncSender<Chunk>>,
    counts: Arc<LogCounts>,
    clock: SystemClock,
    moment: RefCell<Moment>,
    text: RefCell<Vec<u8>>,
    lines: Cell<u64>,
}

impl AccessLog {
    /// Whether anything is logged.
    pub(crate) fn is_on(&self) -> bool {
        self.writer.is_some()
    }

    /// Logs a request that is done.
    pub(crate) fn log(&self, record: &Record<'_>) {
        if self.writer.is_none() {
            return;
        }
        let mut text = self.text.borrow_mut();
        let now = self.clock.now();
        line::append(&mut text, self.moment.borrow_mut().show(now), record);
        self.lines.set(self.lines.get() + 1);
        let full = text.len() >= CHUNK;
        drop(text);
        if full {
            self.flush();
        }
    }

    /// Gives the writer what there is; to be called every `FLUSH`, and at the end.
    pub(crate) fn flush(&self) {
        let lines = self.lines.take();
        let Some(writer) = self.writer.as_ref().filter(|_| lines > 0) else { return };
        let text = self.text.replace(Vec::with_capacity(CHUNK + CHUNK / 8));
        if writer.try_send(Chunk { text, lines }).is_err() {
            self.counts.dropped.fetch_add(lines, Ordering::Relaxed);
        }
    }
}

/// The log of a process, from which each worker gets its end.
pub(crate) struct Log {
    writer: Option<SyncSender<Chunk>>,
    pub(crate) counts: Arc<LogCounts>,
}

impl Log {
    /// Starts the writer. It ends when all ends of workers and this are dropped, everything written.
    ///
    /// # Errors
    /// When there is no thread for it. That the file cannot be opened is none: it is tried again and again.
    pub(crate) fn start(options: Option<&LogOptions>) -> io::Result<(Self, Option<JoinHandle<()>>)> {
        let counts = Arc::new(LogCounts::default());
        let Some(options) = options else {
            return Ok((Self { writer: None, counts }, None));
        };
        let (writer, chunks) = sync_channel(MAX_WAITING);
        let file = writer::LogFile::new(options.clone());
        let counted = Arc::clone(&counts);
        let thread = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || writer::write(file, &chunks, &counted))?;
        Ok((Self { writer: Some(writer), counts }, Some(thread)))
    }

    /// The end of one more worker.
    pub(crate) fn end(&self) -> AccessLog {
        AccessLog {
            writer: self.writer.clone(),
            counts: Arc::clone(&self.counts),
            clock: SystemClock::new(),
            moment: RefCell::default(),
            text: RefCell::default(),
            lines: Cell::new(0),
        }
    }
}
