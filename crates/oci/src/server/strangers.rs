//! Connections on which neither the token nor a pass was shown yet: when there is no room left, the oldest of them makes
//! some, so that nobody keeps others out by opening connections and saying nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Those that are open, by age; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Strangers {
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    /// What closes each of them when it is told.
    by_age: BTreeMap<u64, oneshot::Sender<()>>,
}

/// One of them, for as long as it is one. Dropped, it is none any more.
#[derive(Debug)]
pub(super) struct Stranger {
    strangers: Strangers,
    age: u64,
}

impl Strangers {
    /// Takes one in; what comes with it is done when it has to go.
    pub(super) fn welcome(&self) -> (Stranger, impl Future<Output = ()> + use<>) {
        let (close, closed) = oneshot::channel();
        let mut open = self.open();
        let age = open.next;
        open.next += 1;
        open.by_age.insert(age, close);
        let goes = async {
            // One that is no stranger any more stays.
            if closed.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        (Stranger { strangers: self.clone(), age }, goes)
    }

    /// Makes the oldest go, if there is one.
    pub(super) fn close_oldest(&self) {
        let oldest = self.open().by_age.pop_first();
        if let Some((_, close)) = oldest {
            // One that has just ended is gone as well.
            let _ = close.send(());
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stranger {
    /// It has shown who it is, and is not made to go any more.
    pub(super) fn is_known(&self) {
        self.strangers.open().by_age.remove(&self.age);
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.is_known();
    }
}
