//! One worker: a thread with its own runtime, its own sockets on every listening address, its own backend connections.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};
use http::HeaderValue;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{Instant, interval, sleep, timeout};

use super::connection::{Client, ClientStream, Phase, Progress};
use super::serve::serve;
use super::upstream::Idle;
use crate::access::{AccessLog, FLUSH};
use crate::limits::{MAX_BUFFER, MAX_CONNECTIONS, MAX_HEAD, SHUTDOWN_GRACE, SWEEP};
use crate::plane::Shared;
use crate::state::table::{Entry, Table};

/// What the control side tells a worker.
pub(crate) enum Command {
    /// Accept on this socket.
    Listen(SocketAddr, std::net::TcpListener),
    /// Stop accepting there.
    Close(SocketAddr),
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
    pub(crate) access: AccessLog,
    table: RefCell<Cache<Arc<ArcSwap<Table>>, Arc<Table>>>,
    turn: Cell<usize>,
    drawn: Cell<u64>,
    tick: Arc<AtomicU32>,
    open: Arc<AtomicUsize>,
    closing: Cell<bool>,
    /// Request ids are this and a count.
    stem: u64,
    requests: Cell<u64>,
    connections: RefCell<HashMap<u64, (Arc<Progress>, AbortHandle)>>,
    accepted: Cell<u64>,
}

impl Worker {
    /// The current route of a request.
    pub(crate) fn find(&self, listen: SocketAddr, host: &str, path: &str) -> Option<Arc<Entry>> {
        self.table.borrow_mut().load().find(listen, host, path).cloned()
    }

    /// Counts up, so that backends take turns.
    pub(crate) fn turn(&self) -> usize {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        turn
    }

    /// Counts requests, so that pools get their shares.
    pub(crate) fn draw(&self) -> u64 {
        let drawn = self.drawn.get();
        self.drawn.set(drawn.wrapping_add(1));
        drawn
    }

    /// Seconds since the start, counted by the sweeper.
    pub(crate) fn tick(&self) -> u32 {
        self.tick.load(Ordering::Relaxed)
    }

    /// Whether connections are to end after their request.
    pub(crate) fn closing(&self) -> bool {
        self.closing.get()
    }

    /// A new id, unlike any other.
    pub(crate) fn request_id(&self) -> HeaderValue {
        let count = self.requests.get();
        self.requests.set(count + 1);
        let mut text = [0; 32];
        let whole = u128::from(self.stem) << 64 | u128::from(count);
        for (index, digit) in text.iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[(whole >> (124 - 4 * index)) as usize & 15];
        }
        HeaderValue::from_bytes(&text).expect("hex digits are visible ASCII")
    }
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
        access,
        table: RefCell::new(Cache::new(table)),
        turn: Cell::new(0),
        drawn: Cell::new(0),
        tick: Arc::default(),
        open,
        closing: Cell::new(false),
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
    let mut listeners: HashMap<SocketAddr, Rc<Notify>> = HashMap::new();
    tokio::task::spawn_local(sweep(Rc::clone(&worker)));
    if worker.access.is_on() {
        tokio::task::spawn_local(flush(Rc::clone(&worker)));
    }
    while let Some(command) = commands.recv().await {
        match command {
            Command::Listen(address, socket) => {
                let close = Rc::new(Notify::new());
                listeners.insert(address, Rc::clone(&close));
                match TcpListener::from_std(socket) {
                    Ok(listener) => {
                        tokio::task::spawn_local(accept(Rc::clone(&worker), listener, address, close));
                    }
                    Err(error) => eprintln!("proxy: {address}: {error}"),
                }
            }
            Command::Close(address) => {
                if let Some(close) = listeners.remove(&address) {
                    close.notify_one();
                }
            }
            Command::Forget(backends) => worker.idle.forget(&backends),
            Command::End => break,
        }
    }
    worker.closing.set(true);
    listeners.values().for_each(|close| close.notify_one());
    let deadline = Instant::now() + SHUTDOWN_GRACE;
    loop {
        // Listeners empty their queues before they close, so that this comes after them.
        sleep(Duration::from_millis(20)).await;
        for (progress, task) in worker.connections.borrow().values() {
            if progress.phase() == Phase::Idle {
                task.abort();
            }
        }
        if worker.open.load(Ordering::Relaxed) == 0 || Instant::now() >= deadline {
            return;
        }
    }
}

async fn accept(worker: Rc<Worker>, listener: TcpListener, address: SocketAddr, close: Rc<Notify>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = close.notified() => break,
        };
        match accepted {
            Ok((socket, peer)) => connection(&worker, socket, address, peer),
            // Out of descriptors, most likely: those that are there must end first.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
        while worker.open.load(Ordering::Relaxed) >= MAX_CONNECTIONS {
            sleep(Duration::from_millis(10)).await;
        }
    }
    // What the kernel already accepted would be reset.
    while let Ok(Ok((socket, peer))) = timeout(Duration::ZERO, listener.accept()).await {
        connection(&worker, socket, address, peer);
    }
}

fn connection(worker: &Rc<Worker>, socket: TcpStream, listen: SocketAddr, peer: SocketAddr) {
    let _ = socket.set_nodelay(true);
    let progress = Arc::new(Progress::new(Arc::clone(&worker.tick)));
    let stream = ClientStream::new(socket, Arc::clone(&progress), Arc::clone(&worker.open));
    let client = Rc::new(Client::new(listen, peer, Arc::clone(&progress)));
    let number = worker.accepted.get();
    worker.accepted.set(number + 1);
    let served = Served { worker: Rc::clone(worker), number };
    let task = tokio::task::spawn_local(drive(served, stream, client));
    worker.connections.borrow_mut().insert(number, (progress, task.abort_handle()));
}

/// A connection in the sweeper's list, for as long as it lives.
struct Served {
    worker: Rc<Worker>,
    number: u64,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.worker.connections.borrow_mut().remove(&self.number);
    }
}

fn drive(served: Served, stream: ClientStream, client: Rc<Client>) -> impl Future<Output = ()> {
    let mut builder = Builder::new();
    builder.max_buf_size(MAX_BUFFER).max_header_size(MAX_HEAD).header_read_timeout(None);
    let worker = Rc::clone(&served.worker);
    let service = service_fn(move |request| {
        let answer = serve(Rc::clone(&worker), Rc::clone(&client), request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    async move {
        // Broken connections and malformed requests are the client's affair; hyper answered what can be answered.
        let _ = connection.await;
        drop(served);
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

/// Counts ticks and ends what is overdue.
async fn sweep(worker: Rc<Worker>) {
    let mut ticks = interval(SWEEP);
    loop {
        ticks.tick().await;
        let tick = worker.tick.fetch_add(1, Ordering::Relaxed) + 1;
        worker.idle.sweep(tick);
        for (progress, task) in worker.connections.borrow().values() {
            if progress.overdue() {
                task.abort();
            }
        }
    }
}
