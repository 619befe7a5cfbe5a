//! A route through all its switches: whether it holds, what it counted, how its workers learn of a change.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::pause::Pause;
use super::pool::Backends;
use super::stats::{PoolStats, Totals};
use crate::limits::MAX_REMEMBERED_POOLS;
use crate::report::{PoolReport, RouteReport};
use crate::{HoldLimits, Meter};

/// Requests wait: the pool is being replaced. A switch ends it.
const HELD: u64 = 1;
/// Requests wait until a person lets them through.
const PAUSED: u64 = 2;
/// Requests are turned away.
const MAINTENANCE: u64 = 4;
/// What a person said; switches leave it as it is, and probes pass it.
const BY_HAND: u64 = PAUSED | MAINTENANCE;
/// Between the epochs of two switches: above the bits.
const STEP: u64 = 8;

/// What stays when the pool of a route is switched.
pub(crate) struct Route {
    workers: usize,
    /// The epoch, a multiple of `STEP` that grows with each switch, and the bits above. A worker enters a request into a
    /// pool's count first and reads this second; whoever changes it reads the counts after: so either the worker sees the
    /// change, or its request is seen. Both sides are sequentially consistent.
    state: AtomicU64,
    changed: Notify,
    held_now: AtomicU32,
    held_bytes: AtomicU64,
    books: Mutex<Books>,
}

/// What is counted, and since when.
struct Books {
    /// By age, the current one last.
    pools: Vec<Arc<PoolStats>>,
    /// What pools counted that are forgotten.
    forgotten: Totals,
    /// What another process counted of pools that it has forgotten.
    elsewhere: Totals,
    /// What everything was when the meter was started.
    started: Totals,
    pause: Pause,
    /// Those of the pools that have a weight.
    backends: Vec<Arc<Backends>>,
}

impl Books {
    fn totals(&self) -> Totals {
        let mut totals = self.forgotten.clone();
        totals.merge(&self.elsewhere);
        for pool in &self.pools {
            totals.merge(&pool.totals());
        }
        totals
    }
}

/// What a worker is to do with a request that looked up an entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Send it on.
    Open,
    /// The route holds or is paused: wait for a change, then look it up again.
    Held,
    /// The entry is of before a switch: look it up again.
    Stale,
    /// The route is under maintenance: turn it away.
    Maintenance,
}

impl Route {
    pub(crate) fn new(workers: usize) -> Self {
        let books = Books {
            pools: Vec::new(),
            forgotten: Totals::new(),
            elsewhere: Totals::new(),
            started: Totals::new(),
            pause: Pause::new(Instant::now()),
            backends: Vec::new(),
        };
        Self {
            workers,
            state: AtomicU64::new(0),
            changed: Notify::new(),
            held_now: AtomicU32::new(0),
            held_bytes: AtomicU64::new(0),
            books: Mutex::new(books),
        }
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether a request of an entry of `epoch` may go on; a probe may whatever a person said. An entry that is newer
    /// than the route's epoch is of a switch that is being published, which ends a hold.
    pub(crate) fn gate(&self, epoch: u64, probe: bool) -> Gate {
        let state = self.state.load(Ordering::SeqCst);
        let by_hand = if probe { 0 } else { state & BY_HAND };
        match state & !BY_HAND {
            _ if by_hand & MAINTENANCE != 0 => Gate::Maintenance,
            _ if by_hand & PAUSED != 0 => Gate::Held,
            now if now <= epoch => Gate::Open,
            now if now & HELD != 0 => Gate::Held,
            _ => Gate::Stale,
        }
    }

    fn has(&self, bit: u64) -> bool {
        self.state.load(Ordering::SeqCst) & bit != 0
    }

    pub(crate) fn holding(&self) -> bool {
        self.has(HELD)
    }

    pub(crate) fn paused(&self) -> bool {
        self.has(PAUSED)
    }

    pub(crate) fn in_maintenance(&self) -> bool {
        self.has(MAINTENANCE)
    }

    /// The epoch that entries of the next switch have.
    pub(crate) fn next_epoch(&self) -> u64 {
        (self.state.load(Ordering::SeqCst) & !(STEP - 1)) + STEP
    }

    /// Whether `epoch` is of a switch that is not finished.
    pub(crate) fn precedes(&self, epoch: u64) -> bool {
        self.state.load(Ordering::SeqCst) & !(STEP - 1) < epoch
    }

    /// Whether it was put and nothing of it is under way.
    pub(crate) fn idle(&self) -> bool {
        let books = self.books();
        !books.pools.is_empty() && books.pools.iter().all(|pool| pool.inflight() == 0)
    }

    /// Makes `epoch` the route's, which ends a hold; entries of it, with these backends, are already published.
    pub(crate) fn switched(&self, epoch: u64, backends: Vec<Arc<Backends>>) {
        self.turn(|state| epoch | state & BY_HAND);
        self.books().backends = backends;
        self.refresh_health();
    }

    /// Holds requests from now on.
    pub(crate) fn hold(&self) {
        self.turn(|state| state | HELD);
    }

    /// Ends a hold; the pool stays.
    pub(crate) fn release(&self) {
        self.turn(|state| state & !HELD);
    }

    /// Holds requests from now on whatever is switched, or no longer.
    pub(crate) fn set_paused(&self, paused: bool) {
        self.turn(|state| if paused { state | PAUSED } else { state & !PAUSED });
    }

    /// Turns requests away from now on, or no longer.
    pub(crate) fn set_maintenance(&self, on: bool) {
        self.turn(|state| if on { state | MAINTENANCE } else { state & !MAINTENANCE });
    }

    fn turn(&self, change: impl Fn(u64) -> u64) {
        let change = |state| Some(change(state));
        // It never fails: there is always a change.
        let _ = self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, change);
        self.changed.notify_waiters();
        self.books().pause.set_held(self.holding(), Instant::now());
    }

    /// Waits while requests are to wait; returns too when they are to be turned away.
    pub(crate) async fn released(&self, probe: bool) {
        loop {
            let woken = self.changed.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            let by_hand = if probe { 0 } else { BY_HAND };
            let state = self.state.load(Ordering::SeqCst) & (HELD | by_hand);
            if state == 0 || state & MAINTENANCE != 0 {
                return;
            }
            woken.await;
        }
    }

    /// Takes a held request of about `bytes` in, if the limits allow it.
    pub(crate) fn admit(self: &Arc<Self>, limits: HoldLimits, bytes: u64) -> Option<Held> {
        let held = Held { route: Arc::clone(self), bytes };
        let count = self.held_now.fetch_add(1, Ordering::Relaxed);
        let sum = self.held_bytes.fetch_add(bytes, Ordering::Relaxed);
        (count < limits.requests && sum.saturating_add(bytes) <= limits.bytes).then_some(held)
    }

    pub(crate) fn held_now(&self) -> u64 {
        self.held_now.load(Ordering::Relaxed).into()
    }

    /// The health of a backend changed: looks whether any of the current ones is left.
    pub(crate) fn refresh_health(&self) {
        let mut books = self.books();
        let down = !books.backends.is_empty() && books.backends.iter().all(|backends| backends.down());
        books.pause.set_down(down, Instant::now());
    }

    /// The counts of these labels, which are the route's pools from here on; forgets the oldest beyond the limit.
    pub(crate) fn become_pools<'a>(&self, labels: impl Iterator<Item = &'a str>) -> Vec<Arc<PoolStats>> {
        let mut books = self.books();
        let of = |label: &str| {
            let known = books.pools.iter().position(|pool| pool.label == label);
            known.map_or_else(
                || Arc::new(PoolStats::new(label, self.workers)),
                |index| books.pools.remove(index),
            )
        };
        let current: Vec<Arc<PoolStats>> = labels.map(of).collect();
        while books.pools.len() + current.len() > MAX_REMEMBERED_POOLS
            && let Some(index) = books.pools.iter().position(|pool| pool.inflight() == 0)
        {
            let totals = books.pools.remove(index).totals();
            books.forgotten.merge(&totals);
        }
        books.pools.extend(current.iter().cloned());
        current
    }

    /// The counts of a label that is remembered.
    pub(crate) fn known_pool(&self, label: &str) -> Option<Arc<PoolStats>> {
        self.books().pools.iter().find(|pool| pool.label == label).cloned()
    }

    /// What another process says of this route; pools that are not known here are older than those that are.
    pub(crate) fn inherit(&self, report: RouteReport) {
        let mut books = self.books();
        let mut older = Vec::new();
        for PoolReport { label, inflight, streams, totals } in report.pools {
            let known = books.pools.iter().find(|pool| pool.label == label).cloned();
            let stats = known.unwrap_or_else(|| {
                let stats = Arc::new(PoolStats::new(&label, self.workers));
                older.push(Arc::clone(&stats));
                stats
            });
            stats.set_elsewhere(inflight, streams, totals);
        }
        books.pools.splice(0..0, older);
        books.elsewhere = report.forgotten;
    }

    /// Goes on with the meter of another process.
    pub(crate) fn inherit_meter(&self, started: Totals, pause: Duration) {
        let mut books = self.books();
        books.started = started;
        books.pause.inherit(pause);
    }

    /// The other process is gone.
    pub(crate) fn alone(&self) {
        self.books().pools.iter().for_each(|pool| pool.alone());
    }

    /// What a process that takes over must know.
    pub(crate) fn report(&self, id: &str) -> RouteReport {
        let books = self.books();
        let mut forgotten = books.forgotten.clone();
        forgotten.merge(&books.elsewhere);
        let pool = |pool: &Arc<PoolStats>| PoolReport {
            label: pool.label.clone(),
            inflight: pool.inflight(),
            streams: pool.streams(),
            totals: pool.totals(),
        };
        RouteReport {
            id: id.to_owned(),
            pools: books.pools.iter().map(pool).collect(),
            forgotten,
            started: books.started.clone(),
            pause_ms: millis(books.pause.longest(Instant::now())),
        }
    }

    pub(crate) fn pools(&self) -> Vec<Arc<PoolStats>> {
        self.books().pools.clone()
    }

    pub(crate) fn start_meter(&self) {
        let mut books = self.books();
        books.started = books.totals();
        books.pause.restart(Instant::now());
    }

    pub(crate) fn meter(&self) -> Meter {
        let books = self.books();
        let mut totals = books.totals();
        totals.subtract(&books.started);
        let pause = books.pause.longest(Instant::now());
        Meter {
            served: totals.served,
            failed: totals.failed,
            held: totals.held,
            p50_ms: totals.latency.quantile_ms(0.5),
            p99_ms: totals.latency.quantile_ms(0.99),
            pause_ms: millis(pause),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A held request; it is forgotten when this is dropped, however that comes.
pub(crate) struct Held {
    route: Arc<Route>,
    bytes: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.route.held_now.fetch_sub(1, Ordering::Relaxed);
        self.route.held_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_follows_holds_and_switches() {
        let route = Route::new(1);
        assert_eq!(route.gate(0, false), Gate::Open);
        route.hold();
        assert_eq!(route.gate(0, false), Gate::Held);
        let next = route.next_epoch();
        assert_eq!(route.gate(next, false), Gate::Open, "the new pool is open before the switch is finished");
        assert!(route.precedes(next));
        route.switched(next, Vec::new());
        assert_eq!((route.gate(0, false), route.gate(next, false)), (Gate::Stale, Gate::Open));
        assert!(!route.precedes(next));
        route.hold();
        route.release();
        assert_eq!(route.gate(next, false), Gate::Open);
        assert!(route.next_epoch() > next);
    }

    #[test]
    fn what_a_person_said_outlasts_switches_and_lets_probes_pass() {
        let route = Route::new(1);
        route.set_paused(true);
        route.hold();
        let next = route.next_epoch();
        assert_eq!(route.gate(next, false), Gate::Held, "nothing slips through while a switch is published");
        assert_eq!((route.gate(next, true), route.gate(0, true)), (Gate::Open, Gate::Held));
        route.switched(next, Vec::new());
        assert_eq!((route.gate(next, false), route.gate(next, true)), (Gate::Held, Gate::Open));
        assert_eq!((route.holding(), route.paused()), (false, true));
        route.set_maintenance(true);
        assert_eq!((route.gate(next, false), route.gate(next, true)), (Gate::Maintenance, Gate::Open));
        route.set_maintenance(false);
        route.set_paused(false);
        assert_eq!(route.gate(next, false), Gate::Open);
    }

    #[test]
    fn a_refused_request_leaves_no_trace() {
        let route = Arc::new(Route::new(1));
        let limits = HoldLimits { requests: 2, bytes: 100, time_ms: 1 };
        let first = route.admit(limits, 60);
        assert!(first.is_some() && route.admit(limits, 60).is_none());
        let second = route.admit(limits, 40);
        assert!(second.is_some() && route.admit(limits, 0).is_none());
        drop((first, second));
        assert_eq!((route.held_now(), route.held_bytes.load(Ordering::Relaxed)), (0, 0));
    }

    fn pool(route: &Route, label: &str) -> Arc<PoolStats> {
        route.become_pools([label].into_iter()).remove(0)
    }

    #[test]
    fn many_pools_at_once_keep_their_counts() {
        let route = Route::new(1);
        let labels: Vec<String> = (0..8).map(|number| number.to_string()).collect();
        let all = || route.become_pools(labels.iter().map(String::as_str));
        pool(&route, "before");
        all().iter().for_each(|stats| stats.shard(0).failed());
        all().iter().for_each(|stats| assert_eq!(stats.totals().errors, 1));
        assert!(route.known_pool("before").is_none());
    }

    #[test]
    fn old_pools_are_forgotten_but_not_their_counts() {
        let route = Route::new(1);
        for number in 0..20 {
            pool(&route, &number.to_string()).shard(0).failed();
        }
        assert_eq!(route.pools().len(), MAX_REMEMBERED_POOLS);
        assert_eq!(route.meter().failed, 20);
        route.start_meter();
        assert_eq!(route.meter().failed, 0);
        let busy = pool(&route, "busy");
        busy.enter(0);
        (0..20).for_each(|number| drop(pool(&route, &format!("later{number}"))));
        assert!(route.known_pool("busy").is_some(), "a pool with requests under way is remembered");
    }
}
