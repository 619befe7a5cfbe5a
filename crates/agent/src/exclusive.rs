//! One at a time for each application and environment: a transaction, or the background stopping an old release.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use landfall_model::{AppName, EnvironmentName};

/// An application in an environment.
pub(crate) type Place = (AppName, EnvironmentName);

/// Who is busy.
#[derive(Debug, Default)]
pub(crate) struct Exclusive {
    busy: Mutex<BTreeSet<Place>>,
    freed: Condvar,
}

/// As long as it lives nobody else works on the place.
#[derive(Debug)]
pub(crate) struct Guard {
    exclusive: Arc<Exclusive>,
    place: Place,
}

impl Exclusive {
    /// Takes the place for oneself, waiting at most `wait` for whoever has it.
    pub(crate) fn acquire(self: &Arc<Self>, place: &Place, wait: Duration) -> Option<Guard> {
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.freed.wait_timeout_while(busy, wait, |busy| busy.contains(place));
        let (mut busy, waited) = free.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() && busy.contains(place) {
            return None;
        }
        busy.insert(place.clone());
        Some(Guard { exclusive: Arc::clone(self), place: place.clone() })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.exclusive.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.place);
        self.exclusive.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_to_one_at_a_time() {
        let exclusive = Arc::new(Exclusive::default());
        let place = ("a".parse().unwrap(), "dev".parse().unwrap());
        let other = ("a".parse().unwrap(), "production".parse().unwrap());
        let guard = exclusive.acquire(&place, Duration::ZERO).unwrap();
        assert!(exclusive.acquire(&place, Duration::from_millis(1)).is_none());
        assert!(exclusive.acquire(&other, Duration::ZERO).is_some());
        drop(guard);
        assert!(exclusive.acquire(&place, Duration::ZERO).is_some());
    }
}
