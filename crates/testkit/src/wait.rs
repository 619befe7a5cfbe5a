//! Waiting for something to become true, never for ever.

use std::time::{Duration, Instant};

use landfall_fx::{Clock as _, SystemClock};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks again and again until `look` gives something, at most `limit`; `None` when it never did.
pub fn wait_for<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let clock = SystemClock::new();
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if begun.elapsed() >= limit {
            return None;
        }
        clock.sleep(PAUSE);
    }
}

/// Waits until `look` is true.
///
/// # Panics
/// When it is not within `limit`, with `what` was waited for.
#[track_caller]
pub fn wait_until(what: &str, limit: Duration, mut look: impl FnMut() -> bool) {
    assert!(wait_for(limit, || look().then_some(())).is_some(), "waited {limit:?} in vain until {what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_the_event_or_with_the_limit() {
        let mut looks = 0;
        let found = wait_for(Duration::from_secs(10), || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found, Some(3));
        assert_eq!(wait_for(Duration::from_millis(20), || None::<()>), None);
    }

    #[test]
    #[should_panic(expected = "in vain until pigs fly")]
    fn what_never_happens_is_named() {
        wait_until("pigs fly", Duration::from_millis(10), || false);
    }
}
