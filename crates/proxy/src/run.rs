//! A proxy from its start to its end: lock, routes from the file or from the proxy of before, workers, control socket,
//! signals, a graceful end.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use landfall_fx::{Random as _, RealFiles, SystemClock, SystemRandom};
use landfall_tls::{Approver, Certificates, Pace};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval};

use crate::access::Log;
use crate::applications::Applications;
use crate::control::{self, Control};
use crate::data::worker::{self, Handle, Start};
use crate::handover::{self, Taken};
use crate::limits::connections;
use crate::metrics::Metrics;
use crate::plane::{Plane, Shared};
use crate::state::table::Table;
use crate::store::{self, Kept};
use crate::{Client, Error, Options};

/// Workers at most.
const MAX_WORKERS: usize = 128;
/// Threads of the control side that wait for the disk or for another proxy.
const MAX_BLOCKING: usize = 8;
/// How often the control side looks around.
const TICK: Duration = Duration::from_secs(1);
/// How often it does right after the start while an address is still in use.
const SOON: Duration = Duration::from_millis(10);
/// For how long after the start.
const LETTING_GO: Duration = Duration::from_secs(2);

/// Runs a proxy in this process until SIGTERM, SIGINT or a `shutdown` call; then accepts nothing more, lets go of its
/// addresses, control socket and lock, so that another one can start at once, and ends when the requests and streams under
/// way are done, after ten seconds at the latest. When another proxy takes its place it ends once all that it has in hands
/// is done. Must not be called inside a tokio runtime.
///
/// # Errors
/// When another proxy has the control socket and is not to hand over or does not, the file of routes is of a newer format,
/// or the system refuses what a proxy needs. An address that is in use is no error: its routes wait for it.
pub fn run(options: &Options) -> Result<(), Error> {
    let descriptors = raise_file_limit();
    let beginning = Beginning::find(options)?;
    let mut random = [0; 8];
    SystemRandom.fill(&mut random).map_err(Error::io("cannot get random numbers"))?;
    let stem = u64::from_be_bytes(random);
    let applications = Arc::new(Applications::default());
    let certificates = certificates(options, &applications)?;
    let shared = Arc::new(Shared { token: beginning.token.clone(), certificates: Arc::clone(&certificates) });
    let count = match options.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count,
    };
    let (log, writer) =
        Log::start(options.log.as_ref()).map_err(Error::io("cannot start the log's writer"))?;
    let (handles, mut threads) = start(count.clamp(1, MAX_WORKERS), descriptors, &shared, &log, stem)?;
    threads.extend(writer);
    let counts = Arc::clone(&log.counts);
    drop(log);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MAX_BLOCKING)
        .build_local(tokio::runtime::LocalOptions::default())
        .map_err(Error::io("cannot start the control thread"))?;
    let plane = Rc::new(Plane::new(handles, options.config.clone(), Arc::clone(&certificates), applications));
    let ended = runtime.block_on(async {
        let place = beginning.begin(options, &plane).await?;
        let control = Rc::new(Control::new(options, Rc::clone(&plane), shared, counts, place));
        attend(&control).await.map(|()| control)
    });
    plane.end();
    certificates.stop();
    let successor = ended.as_ref().ok().and_then(|control| control.leave());
    // Whoever waits for an answer, or for the end of this proxy, hears that none comes.
    runtime.shutdown_background();
    for thread in threads {
        // One that panicked has said so on stderr.
        let _ = thread.join();
    }
    if let Some(successor) = ended.map(|_| successor)? {
        // One that is gone needs no report.
        let _ = handover::send_report(&successor, &plane.report());
    }
    Ok(())
}

/// What a proxy begins with.
struct Beginning {
    routes: Vec<Kept>,
    note: Option<String>,
    token: String,
    from: From,
}

/// Where that is from.
enum From {
    /// The file of routes, the lock on it being had.
    File(File),
    /// The proxy that ran until now.
    Handover(Box<Taken>),
}

impl Beginning {
    fn find(options: &Options) -> Result<Self, Error> {
        let taken = if options.takeover { handover::take(&options.control)? } else { None };
        if let Some(mut taken) = taken {
            let routes = std::mem::take(&mut taken.offer.routes);
            let token = taken.offer.token.clone();
            return Ok(Self { routes, note: None, token, from: From::Handover(Box::new(taken)) });
        }
        let lock = lock(&options.control)?;
        let (routes, note) = store::load(&RealFiles, &options.config)?;
        let mut random = [0; 16];
        SystemRandom.fill(&mut random).map_err(Error::io("cannot get random numbers"))?;
        let token = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { routes, note, token, from: From::File(lock) })
    }

    /// Serves the routes; gives the lock and the control socket.
    async fn begin(self, options: &Options, plane: &Rc<Plane>) -> Result<(File, UnixListener), Error> {
        if let Some(note) = self.note {
            plane.note(note);
        }
        let taken = match self.from {
            From::Handover(taken) => *taken,
            From::File(lock) => {
                let earlier = handover::newest(&options.control).await;
                plane.restore(self.routes);
                if let Some((client, report)) = earlier {
                    let ended = handover::ended(client.clone());
                    plane.follow(client, report, ended);
                }
                let listener = control::bind(&options.control);
                let cannot = format!("cannot listen on {}", options.control.display());
                return Ok((lock, listener.map_err(Error::io(cannot))?));
            }
        };
        plane.adopt(taken.listeners);
        plane.restore(self.routes);
        let stream = handover::finish(taken.stream).await?;
        plane.accept_again();
        let last = handover::last_report(stream);
        plane.follow(Client::new(taken.offer.private), taken.offer.report, last);
        Ok((taken.lock, taken.control))
    }
}

/// The certificates, of which there are none before routes want them.
pub(crate) fn certificates(
    options: &Options,
    applications: &Arc<Applications>,
) -> Result<Arc<Certificates>, Error> {
    let certificates = Certificates::new(landfall_tls::Options {
        folder: options.tls.clone(),
        files: Arc::new(RealFiles),
        clock: Arc::new(SystemClock::new()),
        approver: Arc::clone(applications) as Arc<dyn Approver>,
        http2: true,
        pace: Pace::default(),
    });
    let certificates = certificates.map_err(std::io::Error::other);
    certificates.map(Arc::new).map_err(Error::io("cannot serve TLS"))
}

/// Starts the workers.
fn start(
    count: usize,
    descriptors: Option<u64>,
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
            connections: connections(descriptors, count),
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
async fn attend(control: &Rc<Control>) -> Result<(), Error> {
    let cannot = || Error::io("cannot receive signals");
    let mut term = signal(SignalKind::terminate()).map_err(cannot())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot())?;
    control.listen().map_err(Error::io("cannot answer on the control socket"))?;
    let metrics = Metrics::default();
    let mut ticks = interval(TICK);
    let started = Instant::now();
    loop {
        tokio::select! {
            _ = term.recv() => break,
            _ = interrupt.recv() => break,
            () = control.end.notified() => break,
            _ = ticks.tick() => {
                if control.gone_since().is_some_and(|since| drained(control, since)) {
                    break;
                }
                control.plane.retry_listeners();
                control.plane.end_resumed();
                // A proxy that was killed a moment ago may still be letting go of its addresses.
                if control.plane.lacks_address() && started.elapsed() < LETTING_GO {
                    ticks.reset_after(SOON);
                }
                metrics.attend(control).await;
            }
        }
    }
    // The answer to the call that ends the proxy is on its way.
    tokio::time::sleep(Duration::from_millis(20)).await;
    // A change under way is written down before the next proxy reads the file.
    let _ = tokio::time::timeout(TICK, control.plane.quiet()).await;
    control.stop_listening();
    Ok(())
}

/// Whether a proxy whose place another one took has nothing in hands any more, or not the time to wait for it.
fn drained(control: &Control, since: Instant) -> bool {
    // Workers have surely heard by now that they are to accept nothing more.
    let settled = since.elapsed() >= TICK;
    let idle = control.plane.open_connections() == 0 && !control.plane.has_before();
    settled && idle || since.elapsed() >= control.options.drain
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

/// Two descriptors go to every request: as many as the system allows, which it gives; `None` for any number.
fn raise_file_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    // Where it may not be raised, fewer clients are taken at once.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current
}
