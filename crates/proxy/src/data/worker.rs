//! One worker: a thread with its own runtime, its own sockets on every listening address, its own backend connections.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};
use landfall_fx::{Clock as _, SystemClock};
use landfall_http1 as http1;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep};

use super::accept::{Close, accept};
use super::buffer::Pool;
use super::connection::Progress;
use super::http2;
use super::idle::Idle;
use super::request::Incoming;
use crate::access::{AccessLog, FLUSH};
use crate::limits::{SHUTDOWN_GRACE, SWEEP};
use crate::plane::Shared;
use crate::state::table::{Entry, Table};

/// What the control side tells a worker.
pub(crate) enum Command {
    /// Accept on this socket, connections of TLS if it is `secure`.
    Listen { address: SocketAddr, socket: std::net::TcpListener, secure: bool },
    /// Stop accepting there.
    Close(SocketAddr),
    /// Stop accepting, for another process does: what is queued is its. Connections end after their next answer.
    Retire,
    /// Drop idle connections to these backends.
    Forget(Arc<[u64]>),
    /// End: accept nothing more, let requests finish.
    End,
}

/// The control side's handle of a worker.
pub(crate) struct Handle {
    pub(crate) table: Arc<ArcSwap<Table>>,
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    /// Connections of clients that it serves.
    pub(crate) open: Arc<AtomicUsize>,
}

/// What a worker is started with.
pub(crate) struct Start {
    pub(crate) shared: Arc<Shared>,
    pub(crate) table: Arc<ArcSwap<Table>>,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    pub(crate) open: Arc<AtomicUsize>,
    /// Connections of clients at most.
    pub(crate) connections: usize,
    pub(crate) access: AccessLog,
    /// Differs between workers and starts.
    pub(crate) stem: u64,
}

/// All that the tasks of one worker share.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) idle: Idle,
    /// Connections to back ends that speak HTTP/2.
    pub(crate) streams: http2::Streams,
    pub(crate) access: AccessLog,
    pub(crate) pool: Rc<Pool>,
    /// Connections of clients, for who watches from another thread.
    pub(super) open: Arc<AtomicUsize>,
    most: usize,
    /// The head of the answer that was read last; used before anything else is done.
    pub(crate) answer: RefCell<http1::Response>,
    /// Requests that are over, kept for their memory.
    #[expect(clippy::vec_box, reason = "they are handed out in their boxes")]
    spent: RefCell<Vec<Box<Incoming>>>,
    table: RefCell<Cache<Arc<ArcSwap<Table>>, Arc<Table>>>,
    turn: Cell<usize>,
    tick: Cell<u32>,
    /// The line of the `Date` field, as of the last tick.
    date: Cell<[u8; DATE]>,
    /// Whether connections end after their next answer.
    closing: Cell<bool>,
    /// Whether idle ones end at once.
    ending: Cell<bool>,
    /// Request ids are this and a count.
    stem: u64,
    requests: Cell<u64>,
    /// What is registered, by number.
    pub(super) connections: RefCell<HashMap<u64, Rc<Progress>>>,
    /// How many were registered so far.
    pub(super) registered: Cell<u64>,
}

impl Worker {
    /// The current route of a request.
    pub(crate) fn find(&self, local: SocketAddr, host: &str, path: &str) -> Option<Arc<Entry>> {
        self.table.borrow_mut().load().find(local, host, path).cloned()
    }

    /// Whether a connection from there begins with the PROXY protocol.
    pub(super) fn expects_preamble(&self, local: SocketAddr, peer: SocketAddr) -> bool {
        self.table.borrow_mut().load().expects_preamble(local, peer.ip().to_canonical())
    }

    /// Whether it has as many clients as it may.
    pub(super) fn full(&self) -> bool {
        self.open.load(Ordering::Relaxed) >= self.most
    }

    /// Counts up, so that backends take turns.
    pub(crate) fn turn(&self) -> usize {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        turn
    }

    /// Seconds since the start, counted by the sweeper.
    pub(crate) fn tick(&self) -> u32 {
        self.tick.get()
    }

    /// Whether connections are to end after their request.
    pub(crate) fn closing(&self) -> bool {
        self.closing.get()
    }

    /// Whether connections are to end that have no request.
    pub(crate) fn ending(&self) -> bool {
        self.ending.get()
    }

    /// A new id, unlike any other, in hexadecimal digits.
    pub(crate) fn request_id(&self) -> [u8; 32] {
        let count = self.requests.get();
        self.requests.set(count + 1);
        let whole = u128::from(self.stem) << 64 | u128::from(count);
        std::array::from_fn(|index| b"0123456789abcdef"[(whole >> (124 - 4 * index)) as usize & 15])
    }

    /// The line of the `Date` field; up to a second old.
    pub(crate) fn date(&self) -> [u8; DATE] {
        self.date.get()
    }

    /// Memory for a request.
    pub(crate) fn take_request(&self) -> Box<Incoming> {
        self.spent.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes it back.
    pub(crate) fn give_request(&self, mut request: Box<Incoming>) {
        self.pool.give(&mut request.bytes);
        request.head.clear();
        let mut spent = self.spent.borrow_mut();
        if spent.len() < MAX_SPENT {
            spent.push(request);
        }
    }
}

/// The length of a `Date` field's line.
const DATE: usize = 37;
/// Requests that are kept for their memory, about 2 KiB each.
const MAX_SPENT: usize = 256;

fn date_line() -> [u8; DATE] {
    let now = std::time::UNIX_EPOCH + Duration::from_millis(SystemClock::new().now().millis());
    let mut line = [b' '; DATE];
    let text = format!("date: {}\r\n", httpdate::fmt_http_date(now));
    // The form has a fixed length (RFC 9110, section 5.6.7).
    line.copy_from_slice(&text.as_bytes()[..DATE]);
    line
}

/// Runs a worker on this thread until it is told to end.
///
/// # Errors
/// When the system gives no event queue.
pub(crate) fn run(start: Start) -> io::Result<()> {
    let Start { shared, table, commands, open, connections, access, stem } = start;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MAX_FILE_THREADS)
        .build_local(tokio::runtime::LocalOptions::default())?;
    let worker = Rc::new(Worker {
        shared,
        idle: Idle::default(),
        streams: http2::Streams::default(),
        access,
        pool: Rc::default(),
        open,
        most: connections,
        answer: RefCell::default(),
        spent: RefCell::default(),
        table: RefCell::new(Cache::new(table)),
        turn: Cell::new(0),
        tick: Cell::new(0),
        date: Cell::new(date_line()),
        closing: Cell::new(false),
        ending: Cell::new(false),
        stem,
        requests: Cell::new(0),
        connections: RefCell::default(),
        registered: Cell::new(0),
    });
    runtime.block_on(work(Rc::clone(&worker), commands));
    worker.access.flush();
    runtime.shutdown_background();
    Ok(())
}

/// Threads of one worker that read files.
const MAX_FILE_THREADS: usize = 4;

async fn work(worker: Rc<Worker>, mut commands: mpsc::UnboundedReceiver<Command>) {
    // One address may have several sockets: a process whose place this one took had more workers.
    let mut listeners: Vec<(SocketAddr, Rc<Close>)> = Vec::new();
    tokio::task::spawn_local(sweep(Rc::clone(&worker)));
    if worker.access.is_on() {
        tokio::task::spawn_local(flush(Rc::clone(&worker)));
    }
    while let Some(command) = commands.recv().await {
        match command {
            Command::Listen { address, socket, secure } => {
                worker.closing.set(false);
                let close = Rc::new(Close::default());
                listeners.push((address, Rc::clone(&close)));
                match TcpListener::from_std(socket) {
                    Ok(listener) => {
                        tokio::task::spawn_local(accept(
                            Rc::clone(&worker),
                            listener,
                            (address, secure),
                            close,
                        ));
                    }
                    Err(error) => eprintln!("proxy: {address}: {error}"),
                }
            }
            Command::Close(address) => {
                listeners.extract_if(.., |(open, _)| *open == address).for_each(|(_, close)| close.now(true));
            }
            Command::Retire => {
                worker.closing.set(true);
                listeners.drain(..).for_each(|(_, close)| close.now(false));
            }
            Command::Forget(backends) => {
                worker.idle.forget(&backends);
                worker.streams.forget(&backends);
            }
            Command::End => break,
        }
    }
    worker.closing.set(true);
    worker.ending.set(true);
    listeners.iter().for_each(|(_, close)| close.now(true));
    let deadline = Instant::now() + SHUTDOWN_GRACE;
    loop {
        // Listeners empty their queues before they close, so that this comes after them.
        sleep(Duration::from_millis(20)).await;
        // Idle ones look around and end.
        let connections = worker.connections.borrow();
        connections.values().filter(|progress| progress.idle()).for_each(|progress| progress.wake());
        let none = connections.is_empty();
        drop(connections);
        if none || Instant::now() >= deadline {
            return;
        }
    }
}

/// Gives the log's writer what there is.
async fn flush(worker: Rc<Worker>) {
    let mut ticks = interval(FLUSH);
    loop {
        ticks.tick().await;
        worker.access.flush();
    }
}

/// Counts ticks and tells those that are overdue.
async fn sweep(worker: Rc<Worker>) {
    let mut ticks = interval(SWEEP);
    loop {
        ticks.tick().await;
        let tick = worker.tick.get() + 1;
        worker.tick.set(tick);
        worker.date.set(date_line());
        worker.idle.sweep(tick);
        worker.connections.borrow().values().for_each(|progress| progress.tick(tick));
    }
}
