//! One worker: a thread with its own runtime, its own sockets on every listening address, its own backend connections.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};
use landfall_fx::{Clock as _, SystemClock};
use landfall_http1 as http1;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, interval, sleep, timeout};

use super::buffer::Pool;
use super::client1;
use super::connection::{Peer, Progress};
use super::http2;
use super::idle::Idle;
use super::preamble;
use super::request::Incoming;
use super::socket::Socket;
use crate::access::{AccessLog, FLUSH};
use crate::limits::{MAX_CONNECTIONS, SHUTDOWN_GRACE, SWEEP};
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
    open: Arc<AtomicUsize>,
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
    connections: RefCell<HashMap<u64, Rc<Progress>>>,
    accepted: Cell<u64>,
}

impl Worker {
    /// The current route of a request.
    pub(crate) fn find(&self, listen: SocketAddr, host: &str, path: &str) -> Option<Arc<Entry>> {
        self.table.borrow_mut().load().find(listen, host, path).cloned()
    }

    /// Whether a connection from there begins with the PROXY protocol.
    fn expects_preamble(&self, listen: SocketAddr, peer: SocketAddr) -> bool {
        self.table.borrow_mut().load().expects_preamble(listen, peer.ip().to_canonical())
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
    let Start { shared, table, commands, open, access, stem } = start;
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
        accepted: Cell::new(0),
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

/// Ends the accepting on one socket.
#[derive(Default)]
struct Close {
    told: Notify,
    /// Whether what is queued is taken out before.
    empty: Cell<bool>,
}

impl Close {
    fn now(&self, empty: bool) {
        self.empty.set(empty);
        self.told.notify_one();
    }
}

async fn accept(
    worker: Rc<Worker>,
    listener: TcpListener,
    (address, secure): (SocketAddr, bool),
    close: Rc<Close>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = close.told.notified() => break,
        };
        match accepted {
            Ok((socket, peer)) => accepted_one(&worker, socket, (address, secure), peer),
            // Out of descriptors, most likely: those that are there must end first.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
        while worker.open.load(Ordering::Relaxed) >= MAX_CONNECTIONS {
            sleep(Duration::from_millis(10)).await;
        }
    }
    if !close.empty.get() {
        return;
    }
    // What the kernel already accepted would be reset.
    while let Ok(Ok((socket, peer))) = timeout(Duration::ZERO, listener.accept()).await {
        accepted_one(&worker, socket, (address, secure), peer);
    }
}

/// A connection came in; on an address for TLS its handshake is done first.
fn accepted_one(
    worker: &Rc<Worker>,
    socket: TcpStream,
    (listen, secure): (SocketAddr, bool),
    peer: SocketAddr,
) {
    let _ = socket.set_nodelay(true);
    let registered = Registered::connection(worker);
    tokio::task::spawn_local(async move {
        registered.attach().await;
        let (mut socket, mut peer) = (socket, peer);
        if registered.worker.expects_preamble(listen, peer) {
            match Box::pin(preamble::read(&mut socket)).await {
                Ok(client) => peer = client.unwrap_or(peer),
                Err(_) => return,
            }
        }
        let socket = if secure {
            let certificates = &registered.worker.shared.certificates;
            match Box::pin(Socket::secure(socket, listen, certificates)).await {
                Some(socket) => socket,
                None => return,
            }
        } else {
            Socket::Plain(socket)
        };
        let peer = Peer::new(listen, peer, socket.tls());
        connection(&registered, socket, peer).await;
    });
}

/// Serves a connection until it ends.
async fn connection(registered: &Registered, socket: Socket, peer: Peer) {
    let (worker, progress) = (Rc::clone(&registered.worker), Rc::clone(&registered.progress));
    if socket.speaks_h2() {
        Box::pin(http2::serve(worker, socket, peer, progress)).await;
    } else {
        client1::serve(worker, socket, peer, progress).await;
    }
}

/// Something that lasts, in the sweeper's list for as long as it lives.
pub(crate) struct Registered {
    worker: Rc<Worker>,
    number: u64,
    counts: bool,
    progress: Rc<Progress>,
}

impl Registered {
    /// A connection, which counts as one.
    pub(crate) fn connection(worker: &Rc<Worker>) -> Self {
        Self::new(worker, true)
    }

    /// A stream of a connection.
    pub(crate) fn stream(worker: &Rc<Worker>) -> Self {
        Self::new(worker, false)
    }

    fn new(worker: &Rc<Worker>, counts: bool) -> Self {
        let number = worker.accepted.get();
        worker.accepted.set(number + 1);
        let progress = Rc::new(Progress::new());
        let mut connections = worker.connections.borrow_mut();
        connections.insert(number, Rc::clone(&progress));
        drop(connections);
        worker.open.fetch_add(usize::from(counts), Ordering::Relaxed);
        Self { worker: Rc::clone(worker), number, counts, progress }
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Makes the sweeper wake the task that calls this.
    pub(crate) async fn attach(&self) {
        poll_fn(|cx| {
            self.progress.attach(cx.waker());
            Poll::Ready(())
        })
        .await;
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut connections = self.worker.connections.borrow_mut();
        connections.remove(&self.number);
        self.worker.open.fetch_sub(usize::from(self.counts), Ordering::Relaxed);
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
