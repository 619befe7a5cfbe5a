//! Counts of one pool: a shard for each worker, written by it alone, added up when somebody asks.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::histogram::{Counts, Histogram};
use crate::Sample;

/// What one worker counts; on cache lines of its own, so that workers do not slow one another down.
#[repr(align(128))]
pub(crate) struct Shard {
    inflight: AtomicU64,
    /// Those of them that are streams.
    streams: AtomicU64,
    served: AtomicU64,
    failed: AtomicU64,
    held: AtomicU64,
    errors: AtomicU64,
    /// Answers by the first digit of their status, from 1 to 5.
    classes: [AtomicU64; 5],
    received: AtomicU64,
    sent: AtomicU64,
    latency: Histogram,
    /// The sum of all latencies, in microseconds.
    micros: AtomicU64,
}

/// The one writer of a counter adds to it without a locked instruction.
fn add(counter: &AtomicU64, by: i64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add_signed(by), Ordering::Relaxed);
}

impl Shard {
    fn new() -> Self {
        Self {
            inflight: AtomicU64::new(0),
            streams: AtomicU64::new(0),
            served: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            held: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            classes: [const { AtomicU64::new(0) }; 5],
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            latency: Histogram::new(),
            micros: AtomicU64::new(0),
        }
    }

    /// A backend began to answer with this status, so long after the request's head.
    pub(crate) fn served(&self, status: StatusCode, after: Duration) {
        add(&self.served, 1);
        add(&self.errors, i64::from(status.is_server_error()));
        self.answered(status);
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        self.latency.record(micros);
        self.micros.store(self.micros.load(Ordering::Relaxed).wrapping_add(micros), Ordering::Relaxed);
    }

    fn answered(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        add(&self.classes[class], 1);
    }

    /// A request is done, its body and its answer's had so many bytes.
    pub(crate) fn passed(&self, received: u64, sent: u64) {
        self.received.store(self.received.load(Ordering::Relaxed).wrapping_add(received), Ordering::Relaxed);
        self.sent.store(self.sent.load(Ordering::Relaxed).wrapping_add(sent), Ordering::Relaxed);
    }

    /// The proxy had to answer itself, because of the pool's backends.
    pub(crate) fn failed(&self) {
        add(&self.failed, 1);
        add(&self.errors, 1);
        self.answered(StatusCode::BAD_GATEWAY);
    }

    /// The proxy had to answer itself, through no fault of the pool: a limit of a hold.
    pub(crate) fn refused(&self) {
        add(&self.failed, 1);
        self.answered(StatusCode::SERVICE_UNAVAILABLE);
    }

    /// The proxy answered itself because a person wanted it so: maintenance.
    pub(crate) fn turned_away(&self) {
        self.answered(StatusCode::SERVICE_UNAVAILABLE);
    }

    /// A request waited.
    pub(crate) fn held(&self) {
        add(&self.held, 1);
    }

    /// An answer that was counted as served, with this status, broke off.
    pub(crate) fn broke_off(&self, status: StatusCode) {
        add(&self.served, -1);
        add(&self.failed, 1);
        add(&self.errors, i64::from(!status.is_server_error()));
    }
}

/// Counts of the pool with this label, for as long as the route remembers it.
pub(crate) struct PoolStats {
    pub(crate) label: String,
    shards: Box<[Shard]>,
    /// How many wait for something under way to end.
    watchers: AtomicU32,
    fewer: Notify,
    /// Until when somebody waits for that.
    until: Mutex<Option<Instant>>,
    /// What the proxy counted and has under way whose place this one took.
    elsewhere: Mutex<Elsewhere>,
}

impl PoolStats {
    pub(crate) fn new(label: &str, workers: usize) -> Self {
        Self {
            label: label.to_owned(),
            shards: (0..workers).map(|_| Shard::new()).collect(),
            watchers: AtomicU32::new(0),
            fewer: Notify::new(),
            until: Mutex::new(None),
            elsewhere: Mutex::new(Elsewhere { inflight: 0, streams: 0, totals: Totals::new() }),
        }
    }

    fn elsewhere(&self) -> MutexGuard<'_, Elsewhere> {
        self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another process has so many under way, so many of them streams, and counted so much.
    pub(crate) fn set_elsewhere(&self, inflight: u64, streams: u64, totals: Totals) {
        *self.elsewhere() = Elsewhere { inflight, streams, totals };
    }

    /// The other process is gone, and with it what it had under way.
    pub(crate) fn alone(&self) {
        let mut elsewhere = self.elsewhere();
        (elsewhere.inflight, elsewhere.streams) = (0, 0);
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
        self.tell();
    }

    /// A request that is under way is a stream from here on: it lasts for as long as both sides like.
    pub(crate) fn begin_stream(&self, worker: usize) {
        self.shards[worker].streams.fetch_add(1, Ordering::SeqCst);
        self.tell();
    }

    /// The stream is over; [`PoolStats::leave`] follows.
    pub(crate) fn end_stream(&self, worker: usize) {
        self.shards[worker].streams.fetch_sub(1, Ordering::SeqCst);
    }

    fn tell(&self) {
        if self.watchers.load(Ordering::SeqCst) > 0 {
            self.fewer.notify_waiters();
        }
    }

    /// Requests under way, also in another process as far as is known.
    pub(crate) fn inflight(&self) -> u64 {
        self.inflight_here() + self.elsewhere().inflight
    }

    fn inflight_here(&self) -> u64 {
        self.shards.iter().map(|shard| shard.inflight.load(Ordering::SeqCst)).sum()
    }

    /// Streams that are open, also in another process as far as is known.
    pub(crate) fn streams(&self) -> u64 {
        self.streams_here() + self.elsewhere().streams
    }

    /// Streams that are open in this process.
    pub(crate) fn streams_here(&self) -> u64 {
        self.shards.iter().map(|shard| shard.streams.load(Ordering::SeqCst)).sum()
    }

    /// Requests under way in this process that are no streams. All are counted before the streams are: a stream that ends in
    /// between makes it too many, never too few.
    fn plain_here(&self) -> u64 {
        let all = self.inflight_here();
        all.saturating_sub(self.streams_here())
    }

    /// Waits until none is under way in this process, until `deadline` at most; gives how many are.
    pub(crate) async fn drained(&self, deadline: Instant) -> u64 {
        self.none(Self::inflight_here, deadline).await
    }

    /// Waits until none but streams is under way in this process, until `deadline` at most; gives how many others are.
    /// Only of a pool that gets no requests meanwhile.
    pub(crate) async fn answered(&self, deadline: Instant) -> u64 {
        self.none(Self::plain_here, deadline).await
    }

    /// Waits until no stream is open in this process, until `deadline` at most; gives how many are.
    pub(crate) async fn streamed(&self, deadline: Instant) -> u64 {
        self.none(Self::streams_here, deadline).await
    }

    async fn none(&self, count: fn(&Self) -> u64, deadline: Instant) -> u64 {
        let _watching = self.watch(deadline);
        loop {
            let woken = self.fewer.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            let left = count(self);
            if left == 0 || timeout_at(deadline, woken).await.is_err() {
                return left;
            }
        }
    }

    /// Somebody waits for what is under way, here or in another process, for as long as what this gives lives.
    pub(crate) fn watch(&self, deadline: Instant) -> Watching<'_> {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = Some(deadline);
        Watching::new(&self.watchers)
    }

    /// How long somebody still waits for what is under way; `None` when nobody does.
    pub(crate) fn waited_for(&self) -> Option<Duration> {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.filter(|_| self.watchers.load(Ordering::SeqCst) > 0)?.checked_duration_since(Instant::now())
    }

    /// What it counted so far, to be judged by.
    pub(crate) fn sample(&self) -> Sample {
        let totals = self.totals();
        Sample {
            label: self.label.clone(),
            requests: totals.served + totals.failed,
            errors: totals.errors,
            latency: totals.latency.buckets(),
        }
    }

    /// What it counted so far.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = self.elsewhere().totals.clone();
        for shard in &self.shards {
            totals.served += shard.served.load(Ordering::Relaxed);
            totals.failed += shard.failed.load(Ordering::Relaxed);
            totals.held += shard.held.load(Ordering::Relaxed);
            totals.errors += shard.errors.load(Ordering::Relaxed);
            for (sum, class) in totals.classes.iter_mut().zip(&shard.classes) {
                *sum += class.load(Ordering::Relaxed);
            }
            totals.received += shard.received.load(Ordering::Relaxed);
            totals.sent += shard.sent.load(Ordering::Relaxed);
            totals.micros += shard.micros.load(Ordering::Relaxed);
            totals.latency.add(&shard.latency);
        }
        totals
    }
}

/// Counts one watcher for as long as it lives, also when its wait is given up.
pub(crate) struct Watching<'a>(&'a AtomicU32);

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

/// What another process counts of a pool, as it last said.
struct Elsewhere {
    inflight: u64,
    streams: u64,
    totals: Totals,
}

/// Counts added up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) served: u64,
    pub(crate) failed: u64,
    pub(crate) held: u64,
    pub(crate) errors: u64,
    /// Answers by the first digit of their status, from 1 to 5.
    pub(crate) classes: [u64; 5],
    /// Bytes of bodies.
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) latency: Counts,
    /// The sum of all latencies, in microseconds.
    pub(crate) micros: u64,
}

impl Totals {
    pub(crate) fn new() -> Self {
        Self {
            served: 0,
            failed: 0,
            held: 0,
            errors: 0,
            classes: [0; 5],
            received: 0,
            sent: 0,
            latency: Counts::new(),
            micros: 0,
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.served += other.served;
        self.failed += other.failed;
        self.held += other.held;
        self.errors += other.errors;
        for (sum, class) in self.classes.iter_mut().zip(other.classes) {
            *sum += class;
        }
        self.received += other.received;
        self.sent += other.sent;
        self.micros += other.micros;
        self.latency.merge(&other.latency);
    }

    /// What was counted since, of what a meter shows.
    pub(crate) fn subtract(&mut self, earlier: &Self) {
        self.served = self.served.saturating_sub(earlier.served);
        self.failed = self.failed.saturating_sub(earlier.failed);
        self.held = self.held.saturating_sub(earlier.held);
        self.latency.subtract(&earlier.latency);
    }
}
