//! A load: requests at a fixed rate, whatever becomes of them, so that a stall is seen and not waited out.
//!
//! Every other request goes over a connection that is kept alive, every other over a new one. Latency counts from
//! the moment at which a request was due, not from when it got out.

mod report;
mod sender;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

pub use report::{Connection, Failure, LoadReport};

use sender::Sender;

/// Requests under way at once, at most; one more counts as failed.
pub const MAX_IN_FLIGHT: usize = 10_000;

/// What to ask for, and how often.
#[derive(Debug, Clone)]
pub struct LoadPlan {
    /// The address to connect to: `127.0.0.1:8080`.
    pub address: String,
    /// The `Host` field.
    pub host: String,
    /// The path, asked for with GET.
    pub path: String,
    /// Requests a second, 1 to 10,000.
    pub rate: u32,
    /// The longest an answer may take.
    pub timeout: Duration,
    /// The load ends by itself after this.
    pub limit: Duration,
}

impl LoadPlan {
    /// A load on `/` with 30 s for an answer and five minutes at most.
    #[must_use]
    pub fn new(address: &str, host: &str, rate: u32) -> Self {
        Self {
            address: address.to_owned(),
            host: host.to_owned(),
            path: "/".to_owned(),
            rate,
            timeout: Duration::from_secs(30),
            limit: Duration::from_secs(300),
        }
    }

    /// The same on another path.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }
}

/// A load under way, on a thread of its own.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<LoadReport>,
    begun: Instant,
}

impl Load {
    /// Starts it.
    ///
    /// # Panics
    /// When no thread can be had, or the rate is 0 or over 10,000.
    #[must_use]
    pub fn start(plan: LoadPlan) -> Self {
        assert!((1..=10_000).contains(&plan.rate), "a rate of {} is out of range", plan.rate);
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("load".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime.expect("a runtime"), drive(plan, told))
        });
        Self { stop, thread: thread.expect("a thread for the load"), begun: Instant::now() }
    }

    /// How long it has been going on.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Sends no more, waits for the answers that are due, and tells what came of all.
    ///
    /// # Panics
    /// When the load itself panicked.
    #[must_use]
    pub fn stop(self) -> LoadReport {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the load does not panic")
    }
}

async fn drive(plan: LoadPlan, stop: Arc<AtomicBool>) -> LoadReport {
    let sender = Sender::new(&plan);
    let mut report = LoadReport::default();
    let mut under_way = JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / plan.rate);
    // Ticks that were missed are made up for: the rate holds.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let begun = Instant::now();
    let mut number = 0_u64;
    while !stop.load(Ordering::Relaxed) && begun.elapsed() < plan.limit {
        tokio::select! {
            due = ticks.tick() => {
                let kind = if number.is_multiple_of(2) { Connection::Kept } else { Connection::New };
                number += 1;
                let due = due.into_std();
                if under_way.len() >= MAX_IN_FLIGHT {
                    report.fail(due.saturating_duration_since(begun), kind, "too many requests under way".to_owned());
                } else {
                    let sender = sender.clone();
                    under_way.spawn_local(async move { (due, kind, sender.send(kind).await, Instant::now()) });
                }
            }
            Some(done) = under_way.join_next() => report.take(begun, done),
        }
    }
    report.lasted = begun.elapsed();
    while let Some(done) = under_way.join_next().await {
        report.take(begun, done);
    }
    report.close();
    report
}
