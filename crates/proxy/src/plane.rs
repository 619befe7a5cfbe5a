//! The control side's book of routes: each change is checked, written down, published to all workers, in this order.

mod before;
mod counts;
mod hold;
mod listeners;
mod routes;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use landfall_fx::SystemClock;
use landfall_model::Timestamp;
use landfall_tls::Certificates;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::listeners::Listener;
use crate::applications::Applications;
use crate::data::worker::{Command, Handle};
use crate::limits::MAX_NOTES;
use crate::listen::NotOpen;
use crate::page::Pages;
use crate::state::pool::{BackendState, Backends};
use crate::state::route::Route;
use crate::state::stats::PoolStats;
use crate::{Client, RouteConfig};

/// What workers share with the control side.
pub(crate) struct Shared {
    pub(crate) token: String,
    pub(crate) certificates: Arc<Certificates>,
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
    /// It clashes with another route, or wants what is not there: 409.
    Clash(String),
    /// Somebody else listens on an address that it wants: 409.
    Taken(String),
    /// Another proxy took over and is to be asked: 421.
    Moved,
    /// The machine does not let it: 500.
    Machine(String),
}

impl Refused {
    /// Why, for people.
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Wrong(message)
            | Self::Unknown(message)
            | Self::Clash(message)
            | Self::Taken(message)
            | Self::Machine(message) => message,
            Self::Moved => "another proxy took over",
        }
    }
}

impl From<NotOpen> for Refused {
    fn from(NotOpen { message, taken }: NotOpen) -> Self {
        if taken { Self::Taken(message) } else { Self::Clash(message) }
    }
}

/// A route that is served.
pub(crate) struct Live {
    pub(crate) config: Arc<RouteConfig>,
    pub(crate) route: Arc<Route>,
    /// In the configuration's order.
    pub(crate) pools: Vec<LivePool>,
    pages: Arc<Pages>,
    epoch: u64,
    /// Until when a proxy that starts again goes on with the hold, while there is one.
    held_until: Option<Timestamp>,
    /// When a hold ends that is of before the start.
    resumed: Option<Instant>,
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
    /// Backends that their routes no longer have, and to which something may still be under way.
    leaving: Vec<(String, Arc<BackendState>)>,
    /// Addresses that routes want.
    listeners: BTreeMap<SocketAddr, Listener>,
    /// Addresses that no route wants any more, and since when; workers are about to close them.
    closing: Vec<(SocketAddr, Instant)>,
    notes: Vec<String>,
}

/// Routes and workers.
pub(crate) struct Plane {
    workers: Vec<Handle>,
    config: PathBuf,
    certificates: Arc<Certificates>,
    applications: Arc<Applications>,
    clock: SystemClock,
    book: RefCell<Book>,
    /// Held while a change is written down, so that changes come one after the other.
    writing: tokio::sync::Mutex<()>,
    /// The proxy whose place this one took, while it has requests in hands.
    before: RefCell<Option<Client>>,
    /// Whether another proxy took the place of this one.
    retired: Cell<bool>,
}

impl Plane {
    pub(crate) fn new(
        workers: Vec<Handle>,
        config: PathBuf,
        certificates: Arc<Certificates>,
        applications: Arc<Applications>,
    ) -> Self {
        Self {
            workers,
            config,
            certificates,
            applications,
            clock: SystemClock::new(),
            book: RefCell::default(),
            writing: tokio::sync::Mutex::new(()),
            before: RefCell::default(),
            retired: Cell::new(false),
        }
    }

    /// Shows the routes to `show`, by id.
    pub(crate) fn each<T>(&self, show: impl Fn(&Live) -> T) -> Vec<T> {
        self.book.borrow().live.values().map(show).collect()
    }

    /// Connections of clients that workers serve.
    pub(crate) fn open_connections(&self) -> usize {
        self.workers.iter().map(|worker| worker.open.load(Ordering::Relaxed)).sum()
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

    /// Waits until no change is under way, and keeps others back until what it gives is dropped.
    pub(crate) async fn quiet(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.writing.lock().await
    }

    /// Makes all workers end.
    pub(crate) fn end(&self) {
        // The last descriptors are the workers', who take out what is queued before they close them.
        self.let_go();
        for worker in &self.workers {
            // A worker that is gone has ended.
            let _ = worker.commands.send(Command::End);
        }
    }

    fn with<T>(&self, id: &str, take: impl FnOnce(&Live) -> T) -> Result<T, Refused> {
        self.book.borrow().live.get(id).map(take).ok_or_else(|| unknown(id))
    }
}

fn unknown(id: &str) -> Refused {
    Refused::Unknown(format!("there is no route `{id}`"))
}
