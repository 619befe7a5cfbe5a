//! Counts of requests, with how long their answers took.

use std::collections::BTreeMap;

use super::line::Hit;

/// Buckets keep six binary digits of a duration: it is never off by more than 1.6 %.
const DIGITS: u32 = 6;

/// Requests of one pool or of all pools of a route.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// All of them.
    pub(crate) requests: u64,
    /// Those with a status of 500 and more.
    pub(crate) errors: u64,
    /// Those that Caddy itself answered because no instance could.
    pub(crate) failed: u64,
    /// Those that waited.
    pub(crate) held: u64,
    /// The largest duration of a bucket in microseconds, and how many fell into it.
    pub(crate) latency: BTreeMap<u64, u64>,
}

impl Counts {
    pub(super) fn add(&mut self, hit: &Hit<'_>) {
        self.requests += 1;
        self.errors += u64::from(hit.status >= 500);
        // What else Caddy answers itself (413, a client that went away) is no instance's failure.
        self.failed += u64::from(hit.own_error.is_some_and(|status| matches!(status, 502..=504)));
        self.held += u64::from(hit.held);
        *self.latency.entry(upper(hit.micros)).or_default() += 1;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.failed += other.failed;
        self.held += other.held;
        for (micros, count) in &other.latency {
            *self.latency.entry(*micros).or_default() += count;
        }
    }

    /// What came since `before`.
    pub(super) fn without(mut self, before: &Self) -> Self {
        self.requests = self.requests.saturating_sub(before.requests);
        self.errors = self.errors.saturating_sub(before.errors);
        self.failed = self.failed.saturating_sub(before.failed);
        self.held = self.held.saturating_sub(before.held);
        for (micros, count) in &before.latency {
            if let Some(mine) = self.latency.get_mut(micros) {
                *mine = mine.saturating_sub(*count);
            }
        }
        self.latency.retain(|_, count| *count > 0);
        self
    }

    /// The duration that this part of the requests did not exceed, in milliseconds; `None` without a request.
    pub(crate) fn quantile_ms(&self, part: f64) -> Option<f64> {
        let all: u64 = self.latency.values().sum();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank of at most 2^52 requests"
        )]
        let rank = ((all as f64) * part).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (micros, count) in &self.latency {
            seen += count;
            if seen >= rank {
                #[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
                return Some(*micros as f64 / 1000.0);
            }
        }
        None
    }
}

/// The largest duration of the bucket that one falls into.
fn upper(micros: u64) -> u64 {
    let bits = u64::BITS - micros.leading_zeros();
    let shift = bits.saturating_sub(DIGITS + 1);
    micros | ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_fine_enough() {
        for micros in [0, 1, 127, 128, 1000, 123_456, 60_000_000] {
            let upper = upper(micros);
            assert!(upper >= micros && upper - micros <= micros / 60, "{micros} in {upper}");
        }
    }

    #[test]
    fn quantiles_and_differences() {
        let mut counts = Counts::default();
        let hit = |micros| Hit {
            route: "r",
            label: "l",
            held: false,
            own_error: None,
            probe: false,
            status: 200,
            micros,
        };
        (1..=100).for_each(|number| counts.add(&hit(number)));
        assert_eq!(counts.quantile_ms(0.5), Some(0.05));
        assert_eq!(counts.quantile_ms(0.99), Some(0.099));
        let before = counts.clone();
        counts.add(&hit(5_000));
        let since = counts.without(&before);
        assert_eq!(since.requests, 1);
        assert!(since.quantile_ms(0.5).is_some_and(|ms| ms >= 5.0));
        assert_eq!(Counts::default().quantile_ms(0.5), None);
    }
}
