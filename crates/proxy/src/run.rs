//! A proxy from its start to its end: lock, routes from the file, workers, control socket, signals, a graceful end.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use landfall_fx::{Random as _, RealFiles, SystemRandom};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};
use tokio::time::interval;

use crate::access::Log;
use crate::control::{self, Control};
use crate::data::worker::{self, Handle, Start};
use crate::plane::{Plane, Shared};
use crate::state::table::Table;
use crate::{Error, Options, metrics, store};

/// Workers at most.
const MAX_WORKERS: usize = 128;

/// Runs a proxy in this process until SIGTERM, SIGINT or a `shutdown` call; then accepts nothing more and ends when the
/// requests under way are done, after ten seconds at the latest. Must not be called inside a tokio runtime.
///
/// # Errors
/// When another proxy has the control socket, the file of routes is of a newer format, or the system refuses what a
/// proxy needs. An address that is in use is no error: its routes wait for it.
pub fn run(options: &Options) -> Result<(), Error> {
    let _lock = lock(&options.control)?;
    let (routes, note) = store::load(&RealFiles, &options.config)?;
    raise_file_limit();
    let mut random = [0; 24];
    SystemRandom.fill(&mut random).map_err(Error::io("cannot get random numbers"))?;
    let (token, stem) = random.split_at(16);
    let token = token.iter().map(|byte| format!("{byte:02x}")).collect();
    let stem = stem.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let shared = Arc::new(Shared { token });
    let count = match options.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count,
    };
    let (log, writer) =
        Log::start(options.log.as_ref()).map_err(Error::io("cannot start the log's writer"))?;
    let (handles, mut threads) = start(count.clamp(1, MAX_WORKERS), &shared, &log, stem)?;
    threads.extend(writer);
    let counts = Arc::clone(&log.counts);
    drop(log);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2)
        .build_local(tokio::runtime::LocalOptions::default())
        .map_err(Error::io("cannot start the control thread"))?;
    let ended = runtime.block_on(async {
        let plane = Plane::new(handles, options.config.clone());
        if let Some(note) = note {
            plane.note(note);
        }
        plane.restore(routes);
        let control = Rc::new(Control { plane, shared, log: counts, end: Notify::new() });
        let ended = attend(options, &control).await;
        control.plane.end();
        ended
    });
    for thread in threads {
        // One that panicked has said so on stderr.
        let _ = thread.join();
    }
    if ended.is_ok() {
        // The lock is still ours, so that this is our own socket.
        let _ = std::fs::remove_file(&options.control);
    }
    ended
}

/// Starts the workers.
fn start(
    count: usize,
    shared: &Arc<Shared>,
    log: &Log,
    stem: u64,
) -> Result<(Vec<Handle>, Vec<JoinHandle<()>>), Error> {
    let mut handles = Vec::new();
    let mut threads = Vec::new();
    for number in 0..count {
        let (commands, received) = mpsc::unbounded_channel();
        let table = Arc::new(ArcSwap::from_pointee(Table::default()));
        let open = Arc::default();
        handles.push(Handle { table: Arc::clone(&table), commands, open: Arc::clone(&open) });
        let start = Start {
            shared: Arc::clone(shared),
            table,
            commands: received,
            open,
            access: log.end(),
            stem: stem.wrapping_add(number as u64),
        };
        let thread = std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            if let Err(error) = worker::run(start) {
                eprintln!("proxy: worker {number}: {error}");
            }
        });
        threads.push(thread.map_err(Error::io("cannot start a worker"))?);
    }
    Ok((handles, threads))
}

/// Answers control calls until the proxy is to end.
async fn attend(options: &Options, control: &Rc<Control>) -> Result<(), Error> {
    let path = &options.control;
    let listener = control::bind(path).map_err(Error::io(format!("cannot listen on {}", path.display())))?;
    let cannot = || Error::io("cannot receive signals");
    let mut term = signal(SignalKind::terminate()).map_err(cannot())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot())?;
    let serving = tokio::task::spawn_local(control::serve(listener, Rc::clone(control)));
    if let Some(address) = options.metrics {
        match TcpListener::bind(address).await {
            Ok(listener) => drop(tokio::task::spawn_local(metrics::serve(listener, Rc::clone(control)))),
            Err(error) => control.plane.note(format!("no metrics are given on {address}: {error}")),
        }
    }
    let mut ticks = interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = term.recv() => break,
            _ = interrupt.recv() => break,
            () = control.end.notified() => break,
            _ = ticks.tick() => {
                control.plane.retry_listeners();
                control.plane.end_resumed();
            }
        }
    }
    // The answer to the call that ends the proxy is on its way.
    tokio::time::sleep(Duration::from_millis(20)).await;
    serving.abort();
    Ok(())
}

/// Makes sure that no other proxy has the control socket, for as long as the file is open.
fn lock(control: &Path) -> Result<File, Error> {
    let path = control.with_extension("lock");
    let cannot = || Error::io(format!("cannot lock {}", path.display()));
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(cannot())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::AlreadyRunning { control: control.to_owned() }),
        Err(TryLockError::Error(error)) => Err(cannot()(error)),
    }
}

/// Two descriptors go to every request: as many as the system allows.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Where it may not be raised, the kernel's queue holds further clients back.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
