//! The control side's book of routes: each change is checked, written down, published to all workers, in this order.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use landfall_fx::RealFiles;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::data::worker::{Command, Handle};
use crate::limits::{MAX_NOTES, MAX_ROUTES};
use crate::state::choice::Choice;
use crate::state::pool::{BackendState, Backends};
use crate::state::route::Route;
use crate::state::stats::PoolStats;
use crate::state::table::{Entry, PoolEntry, Table};
use crate::{Backend, Hold, Meter, Pool, RouteConfig, Sample, health, listen, store};

/// What workers share with the control side.
pub(crate) struct Shared {
    pub(crate) token: String,
}

impl Shared {
    /// Whether these bytes are the probe token; takes the same time for all of its length.
    pub(crate) fn is_token(&self, bytes: &[u8]) -> bool {
        let token = self.token.as_bytes();
        token.len() == bytes.len() && token.iter().zip(bytes).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
    }
}

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It makes no sense: 400.
    Wrong(String),
    /// There is no such route: 404.
    Unknown(String),
    /// It clashes with a route or a process: 409.
    Clash(String),
    /// The machine does not let it: 500.
    Machine(String),
}

impl Refused {
    /// Why, for people.
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Wrong(message) | Self::Unknown(message) | Self::Clash(message) | Self::Machine(message) => {
                message
            }
        }
    }
}

/// A route that is served.
pub(crate) struct Live {
    pub(crate) config: Arc<RouteConfig>,
    pub(crate) route: Arc<Route>,
    /// In the configuration's order.
    pub(crate) pools: Vec<LivePool>,
    epoch: u64,
    /// The health checkers of the pools; dropping it ends them.
    _checks: JoinSet<()>,
}

/// A pool that requests may go to.
pub(crate) struct LivePool {
    pub(crate) stats: Arc<PoolStats>,
    pub(crate) backends: Arc<Backends>,
}

impl Live {
    fn backends(&self) -> impl Iterator<Item = &Arc<BackendState>> {
        self.pools.iter().flat_map(|pool| pool.backends.instances())
    }

    /// The pools that have a weight.
    fn weighted(&self) -> Vec<Arc<Backends>> {
        let shares = self.pools.iter().zip(&self.config.pools);
        shares.filter(|(_, share)| share.weight > 0).map(|(pool, _)| Arc::clone(&pool.backends)).collect()
    }
}

/// The book.
#[derive(Default)]
struct Book {
    live: BTreeMap<String, Live>,
    /// All routes that are counted: live ones, those metered before they are put, those removed but not drained.
    known: HashMap<String, Arc<Route>>,
    /// Addresses that routes want, with what keeps them from being open.
    listeners: BTreeMap<SocketAddr, Option<String>>,
    notes: Vec<String>,
}

/// Routes and workers.
pub(crate) struct Plane {
    workers: Vec<Handle>,
    config: PathBuf,
    book: RefCell<Book>,
    /// Held while a change is written down, so that changes come one after the other.
    writing: tokio::sync::Mutex<()>,
}

impl Plane {
    pub(crate) fn new(workers: Vec<Handle>, config: PathBuf) -> Self {
        Self { workers, config, book: RefCell::default(), writing: tokio::sync::Mutex::new(()) }
    }

    /// Serves the routes of the file. What cannot be served becomes a note.
    pub(crate) fn restore(&self, routes: Vec<RouteConfig>) {
        for mut config in routes {
            config.normalize();
            match config.check().map_err(Refused::Wrong).and_then(|()| self.clash(&config)) {
                Ok(()) => {
                    self.listen_or_note(config.listen);
                    self.install(config);
                }
                Err(refused) => self.note(format!("a route was left out: {}", refused.message())),
            }
        }
        self.publish();
    }

    /// Makes or replaces a route.
    pub(crate) async fn put(&self, mut config: RouteConfig) -> Result<(), Refused> {
        let _writing = self.writing.lock().await;
        config.normalize();
        config.check().map_err(Refused::Wrong)?;
        self.clash(&config)?;
        for share in &config.pools {
            if let Backend::Files { root } = &share.pool.backend
                && !root.is_dir()
            {
                return Err(Refused::Clash(format!("the folder {} is not there", root.display())));
            }
        }
        let open = matches!(self.book.borrow().listeners.get(&config.listen), Some(None));
        let sockets = match open {
            true => None,
            false => Some(self.open(config.listen).map_err(Refused::Clash)?),
        };
        let mut routes = self.configs();
        routes.retain(|route| route.id != config.id);
        routes.push(config.clone());
        self.save(routes).await?;
        if let Some(sockets) = sockets {
            self.listen(config.listen, sockets);
        }
        let retired = self.install(config);
        self.publish();
        self.finish(&retired);
        Ok(())
    }

    /// Takes a route away.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), Refused> {
        let _writing = self.writing.lock().await;
        if !self.book.borrow().live.contains_key(id) {
            self.book.borrow_mut().known.remove(id);
            return Ok(());
        }
        let mut routes = self.configs();
        routes.retain(|route| route.id != id);
        self.save(routes).await?;
        let gone = self.book.borrow_mut().live.remove(id);
        self.publish();
        if let Some(gone) = gone {
            gone.route.switched(gone.route.next_epoch(), Vec::new());
            self.finish(&gone.backends().cloned().collect::<Vec<_>>());
        }
        Ok(())
    }

    /// Holds a route and waits for what is under way.
    pub(crate) async fn hold(&self, id: &str, wait: Duration) -> Result<Hold, Refused> {
        let stats = |live: &Live| live.pools.iter().map(|pool| Arc::clone(&pool.stats)).collect::<Vec<_>>();
        let (route, pools) = self.with(id, |live| (Arc::clone(&live.route), stats(live)))?;
        route.hold();
        let deadline = Instant::now() + wait;
        let mut inflight = 0;
        for stats in pools {
            inflight += stats.drained(deadline).await;
        }
        Ok(Hold { inflight })
    }

    pub(crate) fn release(&self, id: &str) -> Result<(), Refused> {
        self.with(id, |live| live.route.release())
    }

    /// Waits until a pool is drained; one that is not known is.
    pub(crate) async fn drained(&self, id: &str, label: &str, wait: Duration) -> u64 {
        let stats = self.book.borrow().known.get(id).and_then(|route| route.known_pool(label));
        match stats {
            Some(stats) => stats.drained(Instant::now() + wait).await,
            None => 0,
        }
    }

    /// Starts a meter, also of a route that is only going to be put.
    pub(crate) fn start_meter(&self, id: &str) -> Result<(), Refused> {
        self.route(id)?.start_meter();
        Ok(())
    }

    pub(crate) fn meter(&self, id: &str) -> Result<Meter, Refused> {
        let book = self.book.borrow();
        book.known.get(id).map(|route| route.meter()).ok_or_else(|| unknown(id))
    }

    /// What each pool of a route counted since it came.
    pub(crate) fn samples(&self, id: &str) -> Result<Vec<Sample>, Refused> {
        let book = self.book.borrow();
        let route = book.known.get(id).ok_or_else(|| unknown(id))?;
        Ok(route.pools().iter().map(|stats| stats.sample()).collect())
    }

    /// Tries again to listen where that failed.
    pub(crate) fn retry_listeners(&self) {
        let wanted: Vec<SocketAddr> = {
            let book = self.book.borrow();
            book.listeners
                .iter()
                .filter(|(_, problem)| problem.is_some())
                .map(|(address, _)| *address)
                .collect()
        };
        for address in wanted {
            if let Ok(sockets) = self.open(address) {
                self.listen(address, sockets);
            }
        }
    }

    /// Shows the routes to `show`, by id.
    pub(crate) fn each<T>(&self, show: impl Fn(&Live) -> T) -> Vec<T> {
        self.book.borrow().live.values().map(show).collect()
    }

    /// The addresses that are wanted, with what keeps them from being open.
    pub(crate) fn listeners(&self) -> Vec<(SocketAddr, Option<String>)> {
        self.book.borrow().listeners.clone().into_iter().collect()
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        self.book.borrow().notes.clone()
    }

    /// Says something to whoever reads the log or asks for the status.
    pub(crate) fn note(&self, note: String) {
        eprintln!("proxy: {note}");
        let notes = &mut self.book.borrow_mut().notes;
        notes.push(note);
        let surplus = notes.len().saturating_sub(MAX_NOTES);
        notes.drain(..surplus);
    }

    /// Makes all workers end.
    pub(crate) fn end(&self) {
        for worker in &self.workers {
            // A worker that is gone has ended.
            let _ = worker.commands.send(Command::End);
        }
    }

    fn with<T>(&self, id: &str, take: impl FnOnce(&Live) -> T) -> Result<T, Refused> {
        self.book.borrow().live.get(id).map(take).ok_or_else(|| unknown(id))
    }

    fn configs(&self) -> Vec<RouteConfig> {
        self.book.borrow().live.values().map(|live| (*live.config).clone()).collect()
    }

    fn clash(&self, config: &RouteConfig) -> Result<(), Refused> {
        let book = self.book.borrow();
        let same = |other: &RouteConfig| {
            (other.listen, &other.host, &other.prefix) == (config.listen, &config.host, &config.prefix)
        };
        let other = book.live.values().find(|live| live.config.id != config.id && same(&live.config));
        if let Some(other) = other {
            return Err(Refused::Clash(format!(
                "{} on {} with the prefix {} already belongs to the route `{}`",
                config.host, config.listen, config.prefix, other.config.id
            )));
        }
        if book.live.len() >= MAX_ROUTES && !book.live.contains_key(&config.id) {
            return Err(Refused::Clash(format!("there are {MAX_ROUTES} routes, which is the limit")));
        }
        Ok(())
    }

    async fn save(&self, routes: Vec<RouteConfig>) -> Result<(), Refused> {
        let path = self.config.clone();
        let saved = tokio::task::spawn_blocking(move || store::save(&RealFiles, &path, routes)).await;
        let saved = saved.map_err(std::io::Error::other).flatten();
        saved.map_err(|error| {
            Refused::Machine(format!("the routes cannot be written to {}: {error}", self.config.display()))
        })
    }

    /// The route of this id, made if it is not known.
    fn route(&self, id: &str) -> Result<Arc<Route>, Refused> {
        let mut book = self.book.borrow_mut();
        if book.known.len() >= 2 * MAX_ROUTES && !book.known.contains_key(id) {
            return Err(Refused::Clash("too many routes are metered".to_owned()));
        }
        let workers = self.workers.len();
        let route = book.known.entry(id.to_owned()).or_insert_with(|| Arc::new(Route::new(workers)));
        Ok(Arc::clone(route))
    }

    fn open(&self, address: SocketAddr) -> Result<Vec<std::net::TcpListener>, String> {
        let own: Vec<SocketAddr> = {
            let book = self.book.borrow();
            book.listeners.iter().filter(|(_, problem)| problem.is_none()).map(|(own, _)| *own).collect()
        };
        listen::open(address, self.workers.len(), &own)
    }

    fn listen(&self, address: SocketAddr, sockets: Vec<std::net::TcpListener>) {
        for (worker, socket) in self.workers.iter().zip(sockets) {
            let _ = worker.commands.send(Command::Listen(address, socket));
        }
        self.book.borrow_mut().listeners.insert(address, None);
    }

    fn listen_or_note(&self, address: SocketAddr) {
        if self.book.borrow().listeners.contains_key(&address) {
            return;
        }
        match self.open(address) {
            Ok(sockets) => self.listen(address, sockets),
            Err(problem) => {
                self.book.borrow_mut().listeners.insert(address, Some(problem.clone()));
                self.note(problem);
            }
        }
    }

    /// Puts a route into the book; gives the backends that it no longer has. Not yet published.
    fn install(&self, config: RouteConfig) -> Vec<Arc<BackendState>> {
        let workers = self.workers.len();
        let id = config.id.clone();
        let route = self
            .book
            .borrow_mut()
            .known
            .entry(id.clone())
            .or_insert_with(|| Arc::new(Route::new(workers)))
            .clone();
        let mut book = self.book.borrow_mut();
        let old = book.live.remove(&config.id);
        let stats = route.become_pools(config.pools.iter().map(|share| share.pool.label.as_str()));
        let pools: Vec<LivePool> = stats
            .into_iter()
            .zip(&config.pools)
            .map(|(stats, share)| {
                let backends = Arc::new(backends(&share.pool, old.as_ref(), workers));
                LivePool { stats, backends }
            })
            .collect();
        let mut checks = JoinSet::new();
        for backend in pools.iter().flat_map(|pool| pool.backends.instances()) {
            checks.spawn_local(health::watch(Arc::clone(backend), config.health.clone(), Arc::clone(&route)));
        }
        let live =
            Live { epoch: route.next_epoch(), config: Arc::new(config), route, pools, _checks: checks };
        let gone = |backend: &&Arc<BackendState>| !live.backends().any(|kept| kept.number == backend.number);
        let retired = old.iter().flat_map(Live::backends).filter(gone).cloned().collect();
        book.live.insert(id, live);
        retired
    }

    /// Gives every worker a new table, then ends the epochs before it: from here on no request goes to an old pool.
    fn publish(&self) {
        let book = self.book.borrow();
        for (number, worker) in self.workers.iter().enumerate() {
            let entries = book.live.values().map(|live| entry(live, number));
            worker.table.store(Arc::new(Table::new(entries)));
        }
        for live in book.live.values().filter(|live| live.route.precedes(live.epoch)) {
            live.route.switched(live.epoch, live.weighted());
        }
    }

    /// Lets go of what no route needs any more.
    fn finish(&self, retired: &[Arc<BackendState>]) {
        retired.iter().for_each(|backend| backend.retire());
        let numbers: Arc<[u64]> = retired.iter().map(|backend| backend.number).collect();
        let unused = {
            let mut book = self.book.borrow_mut();
            let Book { live, known, listeners, .. } = &mut *book;
            known.retain(|id, route| live.contains_key(id) || !route.idle());
            let used = |address: &SocketAddr| live.values().any(|live| live.config.listen == *address);
            let unused: Vec<SocketAddr> =
                listeners.keys().filter(|address| !used(address)).copied().collect();
            unused.iter().for_each(|address| drop(listeners.remove(address)));
            unused
        };
        for worker in &self.workers {
            let _ = worker.commands.send(Command::Forget(Arc::clone(&numbers)));
            for address in &unused {
                let _ = worker.commands.send(Command::Close(*address));
            }
        }
    }
}

/// The route as a worker sees it.
fn entry(live: &Live, worker: usize) -> Entry {
    let pool = |pool: &LivePool| PoolEntry {
        label: pool.stats.label.as_str().into(),
        stats: Arc::clone(&pool.stats),
        backends: Arc::clone(&pool.backends),
    };
    Entry {
        config: Arc::clone(&live.config),
        epoch: live.epoch,
        worker,
        route: Arc::clone(&live.route),
        pools: live.pools.iter().map(pool).collect(),
        choice: Choice::new(&live.config),
    }
}

/// The backends of a pool. One of the same pool keeps its health and connections; one of another pool at the same
/// address is another backend.
fn backends(pool: &Pool, old: Option<&Live>, workers: usize) -> Backends {
    let addresses = match &pool.backend {
        Backend::Files { root } => return Backends::Files(root.clone()),
        Backend::Instances { addresses } => addresses,
    };
    let before = old.and_then(|old| old.pools.iter().find(|before| before.stats.label == pool.label));
    let before = before.map_or(&[][..], |before| before.backends.instances());
    let state = |address: &SocketAddr| {
        let known = before.iter().find(|backend| backend.address == *address);
        known.cloned().unwrap_or_else(|| Arc::new(BackendState::new(*address, workers)))
    };
    Backends::Instances(addresses.iter().map(state).collect())
}

fn unknown(id: &str) -> Refused {
    Refused::Unknown(format!("there is no route `{id}`"))
}
