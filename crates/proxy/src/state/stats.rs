//! Counts of one pool: a shard for each worker, written by it alone, added up when somebody asks.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::histogram::{Counts, Histogram};

/// What one worker counts; on cache lines of its own, so that workers do not slow one another down.
#[repr(align(128))]
pub(crate) struct Shard {
    inflight: AtomicU64,
    served: AtomicU64,
    failed: AtomicU64,
    held: AtomicU64,
    latency: Histogram,
}

/// The one writer of a counter adds to it without a locked instruction.
fn add(counter: &AtomicU64, by: i64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add_signed(by), Ordering::Relaxed);
}

impl Shard {
    fn new() -> Self {
        Self {
            inflight: AtomicU64::new(0),
            served: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            held: AtomicU64::new(0),
            latency: Histogram::new(),
        }
    }

    /// A backend began to answer, so long after the request's head.
    pub(crate) fn served(&self, after: Duration) {
        add(&self.served, 1);
        self.latency.record(u64::try_from(after.as_micros()).unwrap_or(u64::MAX));
    }

    /// The proxy had to answer itself.
    pub(crate) fn failed(&self) {
        add(&self.failed, 1);
    }

    /// A request waited.
    pub(crate) fn held(&self) {
        add(&self.held, 1);
    }

    /// An answer that was counted as served broke off.
    pub(crate) fn broke_off(&self) {
        add(&self.served, -1);
        add(&self.failed, 1);
    }
}

/// Counts of the pool with this label, for as long as the route remembers it.
pub(crate) struct PoolStats {
    pub(crate) label: String,
    shards: Box<[Shard]>,
    /// How many wait for `inflight` to become 0.
    watchers: AtomicU32,
    idle: Notify,
}

impl PoolStats {
    pub(crate) fn new(label: &str, workers: usize) -> Self {
        Self {
            label: label.to_owned(),
            shards: (0..workers).map(|_| Shard::new()).collect(),
            watchers: AtomicU32::new(0),
            idle: Notify::new(),
        }
    }

    /// The shard that `worker` alone writes.
    pub(crate) fn shard(&self, worker: usize) -> &Shard {
        &self.shards[worker]
    }

    /// A request is under way from here on. Sequentially consistent: whoever then still sees the route's old epoch is
    /// seen by the one that changed it (see `Route::epoch`).
    pub(crate) fn enter(&self, worker: usize) {
        self.shards[worker].inflight.fetch_add(1, Ordering::SeqCst);
    }

    /// It is done.
    pub(crate) fn leave(&self, worker: usize) {
        self.shards[worker].inflight.fetch_sub(1, Ordering::SeqCst);
        if self.watchers.load(Ordering::SeqCst) > 0 {
            self.idle.notify_waiters();
        }
    }

    /// Requests under way.
    pub(crate) fn inflight(&self) -> u64 {
        self.shards.iter().map(|shard| shard.inflight.load(Ordering::SeqCst)).sum()
    }

    /// Waits, at most `wait`, until none is under way; gives how many are.
    pub(crate) async fn drained(&self, wait: Duration) -> u64 {
        let deadline = Instant::now() + wait;
        let _watching = Watching::new(&self.watchers);
        loop {
            let woken = self.idle.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            let inflight = self.inflight();
            if inflight == 0 || timeout_at(deadline, woken).await.is_err() {
                return inflight;
            }
        }
    }

    /// What it counted so far.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::new();
        for shard in &self.shards {
            totals.served += shard.served.load(Ordering::Relaxed);
            totals.failed += shard.failed.load(Ordering::Relaxed);
            totals.held += shard.held.load(Ordering::Relaxed);
            totals.latency.add(&shard.latency);
        }
        totals
    }
}

/// Counts one watcher for as long as it lives, also when its wait is given up.
struct Watching<'a>(&'a AtomicU32);

impl<'a> Watching<'a> {
    fn new(watchers: &'a AtomicU32) -> Self {
        watchers.fetch_add(1, Ordering::SeqCst);
        Self(watchers)
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Counts added up.
#[derive(Clone)]
pub(crate) struct Totals {
    pub(crate) served: u64,
    pub(crate) failed: u64,
    pub(crate) held: u64,
    pub(crate) latency: Counts,
}

impl Totals {
    pub(crate) fn new() -> Self {
        Self { served: 0, failed: 0, held: 0, latency: Counts::new() }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.served += other.served;
        self.failed += other.failed;
        self.held += other.held;
        self.latency.merge(&other.latency);
    }

    pub(crate) fn subtract(&mut self, earlier: &Self) {
        self.served = self.served.saturating_sub(earlier.served);
        self.failed = self.failed.saturating_sub(earlier.failed);
        self.held = self.held.saturating_sub(earlier.held);
        self.latency.subtract(&earlier.latency);
    }
}
