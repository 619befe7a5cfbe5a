//! The backends of a pool: which are healthy, how busy each is, which is next.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http::HeaderValue;
use landfall_model::Checks;
use tokio::sync::Notify;

use crate::limits::REMEMBERED_CHECKS;

/// Backends are told apart by number, also when one gets the address of another that is gone.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A counter on a cache line of its own.
#[repr(align(128))]
#[derive(Default)]
struct Padded(AtomicU64);

/// One HTTP server behind the proxy.
pub(crate) struct BackendState {
    /// Unique in this process; what idle connections are kept by.
    pub(crate) number: u64,
    pub(crate) address: SocketAddr,
    /// The `Host` for requests that came without one.
    pub(crate) host: HeaderValue,
    healthy: AtomicBool,
    /// Its newest health checks, a bit each, set where one failed; a bit that is set marks their end.
    checks: AtomicU64,
    /// Set once no pool has it any more: its connections are not kept.
    retired: AtomicBool,
    /// Wakes the health checker.
    pub(crate) looked_at: Notify,
    /// Requests under way, by worker.
    inflight: Box<[Padded]>,
}

impl BackendState {
    pub(crate) fn new(address: SocketAddr, workers: usize) -> Self {
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            address,
            host: HeaderValue::try_from(address.to_string()).expect("an address is visible ASCII"),
            healthy: AtomicBool::new(true),
            checks: AtomicU64::new(1),
            retired: AtomicBool::new(false),
            looked_at: Notify::new(),
            inflight: (0..workers).map(|_| Padded::default()).collect(),
        }
    }

    pub(crate) fn healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Sets it; gives whether that changed anything.
    pub(crate) fn set_healthy(&self, healthy: bool) -> bool {
        self.healthy.swap(healthy, Ordering::Relaxed) != healthy
    }

    /// Remembers what came of a health check. Only its one checker calls this.
    pub(crate) fn checked(&self, well: bool) {
        let known = self.checks.load(Ordering::Relaxed);
        let (full, most) = (1 << REMEMBERED_CHECKS, 1 << (REMEMBERED_CHECKS - 1));
        let known = if known >= full { known & (most - 1) | most } else { known };
        self.checks.store(known << 1 | u64::from(!well), Ordering::Relaxed);
    }

    /// What came of the newest health checks.
    pub(crate) fn checks(&self) -> Checks {
        let known = self.checks.load(Ordering::Relaxed);
        Checks { asked: known.ilog2(), failed: known.count_ones() - 1 }
    }

    pub(crate) fn retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    pub(crate) fn enter(&self, worker: usize) {
        let counter = &self.inflight[worker].0;
        counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    pub(crate) fn leave(&self, worker: usize) {
        let counter = &self.inflight[worker].0;
        counter.store(counter.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
    }

    /// Requests under way on all workers.
    pub(crate) fn inflight(&self) -> u64 {
        self.inflight.iter().map(|counter| counter.0.load(Ordering::Relaxed)).sum()
    }
}

/// Who answers.
pub(crate) enum Backends {
    /// HTTP servers.
    Instances(Vec<Arc<BackendState>>),
    /// A folder.
    Files(PathBuf),
}

impl Backends {
    /// The HTTP servers; none for files.
    pub(crate) fn instances(&self) -> &[Arc<BackendState>] {
        match self {
            Self::Instances(all) => all,
            Self::Files(_) => &[],
        }
    }

    /// Whether nobody is there to answer.
    pub(crate) fn down(&self) -> bool {
        match self {
            Self::Instances(all) => !all.iter().any(|backend| backend.healthy()),
            Self::Files(_) => false,
        }
    }
}

/// Picks the backend for the next request of `worker`: the one with the fewest requests of this worker under way, from
/// `turn` on, so that equals take turns. Healthy ones come first; those that are down are only tried when no other is
/// left, for they may be back. Those in `tried` are out.
pub(crate) fn pick(
    backends: &[Arc<BackendState>],
    worker: usize,
    turn: usize,
    tried: &[u64],
) -> Option<usize> {
    let count = backends.len();
    let mut best = None;
    for offset in 0..count {
        let index = (turn + offset) % count;
        let backend = &backends[index];
        if !tried.is_empty() && tried.contains(&backend.number) {
            continue;
        }
        let rank = (!backend.healthy(), backend.inflight[worker].0.load(Ordering::Relaxed));
        if best.is_none_or(|(_, least)| rank < least) {
            best = Some((index, rank));
        }
    }
    best.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backends(count: u16) -> Vec<Arc<BackendState>> {
        (0..count).map(|port| Arc::new(BackendState::new(([127, 0, 0, 1], 9000 + port).into(), 2))).collect()
    }

    #[test]
    fn the_least_busy_healthy_one_is_next() {
        let all = backends(3);
        assert_eq!((0..4).map(|turn| pick(&all, 0, turn, &[]).unwrap()).collect::<Vec<_>>(), [0, 1, 2, 0]);
        all[0].enter(0);
        assert_eq!(pick(&all, 0, 0, &[]), Some(1));
        assert_eq!(pick(&all, 1, 0, &[]), Some(0), "another worker's requests do not count");
        assert!(all[1].set_healthy(false));
        assert!(!all[1].set_healthy(false));
        assert_eq!(pick(&all, 0, 1, &[]), Some(2));
        assert_eq!(pick(&all, 0, 0, &[all[2].number]), Some(0));
        assert_eq!(
            pick(&all, 0, 0, &[all[2].number, all[0].number]),
            Some(1),
            "a down one is better than none"
        );
        let numbers: Vec<u64> = all.iter().map(|backend| backend.number).collect();
        assert_eq!(pick(&all, 0, 0, &numbers), None);
        assert_eq!(pick(&[], 0, 0, &[]), None);
        all[0].leave(0);
        assert_eq!(all[0].inflight(), 0);
    }

    #[test]
    fn the_newest_checks_are_remembered() {
        let backend = &backends(1)[0];
        assert_eq!(backend.checks(), Checks { asked: 0, failed: 0 });
        [true, false, true].iter().for_each(|well| backend.checked(*well));
        assert_eq!(backend.checks(), Checks { asked: 3, failed: 1 });
        (0..REMEMBERED_CHECKS - 1).for_each(|_| backend.checked(true));
        assert_eq!(backend.checks(), Checks { asked: REMEMBERED_CHECKS, failed: 0 });
        (0..100).for_each(|_| backend.checked(false));
        assert_eq!(backend.checks(), Checks { asked: REMEMBERED_CHECKS, failed: REMEMBERED_CHECKS });
    }
}
