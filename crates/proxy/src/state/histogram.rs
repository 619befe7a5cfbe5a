//! A latency histogram that one thread writes and any thread reads: no lock, and no locked instruction on the hot path.

use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

/// Each power of two is cut into this many steps, so that a value is off by at most 1/32.
const STEPS: u64 = 32;
/// Values from here on, in microseconds (about 19 hours), share the last bucket.
const LARGEST: u64 = (1 << 36) - 1;
/// Buckets in all.
const BUCKETS: usize = bucket(LARGEST) + 1;

/// The bucket of a value: itself under 32, then by its five bits below the highest.
const fn bucket(micros: u64) -> usize {
    let micros = if micros > LARGEST { LARGEST } else { micros };
    if micros < STEPS {
        return micros as usize;
    }
    let power = 63 - micros.leading_zeros() as u64;
    (STEPS * (power - 4) + (micros >> (power - 5)) - STEPS) as usize
}

/// The least value of a bucket and how many values it has, in microseconds.
fn span(bucket: usize) -> (u64, u64) {
    let (octave, step) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    match octave {
        0 => (step, 1),
        _ => ((STEPS + step) << (octave - 1), 1 << (octave - 1)),
    }
}

/// The largest value of a bucket, in microseconds; the last one has all that are larger too.
fn upper(bucket: usize) -> u64 {
    let (low, width) = span(bucket);
    low + width - 1
}

/// The middle of a bucket, in microseconds.
fn value(bucket: usize) -> f64 {
    let (low, width) = span(bucket);
    #[expect(clippy::cast_precision_loss, reason = "under 2^37")]
    let middle = low as f64 + (width - 1) as f64 / 2.0;
    middle
}

/// Counts by latency. One thread records.
pub(crate) struct Histogram(Box<[AtomicU32; BUCKETS]>);

impl Histogram {
    pub(crate) fn new() -> Self {
        Self(Box::new([const { AtomicU32::new(0) }; BUCKETS]))
    }

    /// Counts one value. Must be called by one thread only: two would lose counts (and nothing else).
    pub(crate) fn record(&self, micros: u64) {
        let count = &self.0[bucket(micros)];
        count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
}

/// Counts of several histograms added up; takes no memory until there are some.
///
/// Sent as the largest value of each bucket that is not empty and its count, so that buckets may be others elsewhere.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub(crate) struct Counts(Vec<u64>);

impl From<Counts> for Vec<(u64, u64)> {
    fn from(counts: Counts) -> Self {
        counts.buckets()
    }
}

impl From<Vec<(u64, u64)>> for Counts {
    fn from(buckets: Vec<(u64, u64)>) -> Self {
        let mut counts = vec![0; if buckets.is_empty() { 0 } else { BUCKETS }];
        for (upper, count) in buckets {
            counts[bucket(upper)] += count;
        }
        Self(counts)
    }
}

impl Counts {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds what a histogram counted so far.
    pub(crate) fn add(&mut self, histogram: &Histogram) {
        self.0.resize(BUCKETS, 0);
        for (sum, count) in self.0.iter_mut().zip(histogram.0.iter()) {
            *sum += u64::from(count.load(Ordering::Relaxed));
        }
    }

    /// Adds other counts.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        for (sum, count) in self.0.iter_mut().zip(&other.0) {
            *sum += count;
        }
    }

    /// Takes earlier counts off.
    pub(crate) fn subtract(&mut self, earlier: &Self) {
        for (sum, count) in self.0.iter_mut().zip(&earlier.0) {
            *sum = sum.saturating_sub(*count);
        }
    }

    /// The buckets that are not empty: the largest value of each in microseconds, and how many values it has.
    pub(crate) fn buckets(&self) -> Vec<(u64, u64)> {
        let filled = self.0.iter().enumerate().filter(|(_, count)| **count > 0);
        filled.map(|(bucket, count)| (upper(bucket), *count)).collect()
    }

    /// How many values are at most `micros`, as exactly as the buckets are narrow.
    pub(crate) fn at_most(&self, micros: u64) -> u64 {
        self.0.iter().take(bucket(micros + 1)).sum()
    }

    /// How many values there are.
    pub(crate) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The value in milliseconds that this share (0 to 1) of all values is not above; `None` without values.
    pub(crate) fn quantile_ms(&self, share: f64) -> Option<f64> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank"
        )]
        let rank = ((total as f64 * share).ceil() as u64).clamp(1, total);
        let mut seen = 0;
        let found = self.0.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        found.map(|bucket| (value(bucket) / 1000.0 * 1000.0).round() / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_near_the_middle_of_its_bucket() {
        let mut last = 0;
        for power in 0..36 {
            for part in 0..64 {
                let micros = (1_u64 << power) + ((1_u64 << power) * part) / 64;
                let bucket = bucket(micros);
                assert!(bucket >= last && bucket < BUCKETS, "{micros} in {bucket} after {last}");
                last = bucket;
                #[expect(clippy::cast_precision_loss, reason = "small")]
                let off = (value(bucket) - micros as f64).abs() / micros as f64;
                assert!(off <= 1.0 / 32.0, "{micros} is shown as {}", value(bucket));
            }
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        for index in 0..BUCKETS - 1 {
            assert_eq!((bucket(upper(index)), bucket(upper(index) + 1)), (index, index + 1));
        }
    }

    #[test]
    fn quantiles_are_those_of_the_values() {
        let histogram = Histogram::new();
        (1..=1000).for_each(|value| histogram.record(value * 1000));
        let mut counts = Counts::new();
        assert_eq!(counts.quantile_ms(0.5), None);
        counts.add(&histogram);
        let near = |got: Option<f64>, want: f64| {
            let got = got.unwrap();
            assert!((got - want).abs() / want < 0.04, "{got} is not near {want}");
        };
        near(counts.quantile_ms(0.5), 500.0);
        near(counts.quantile_ms(0.99), 990.0);
        let earlier = counts.clone();
        histogram.record(7);
        let mut later = Counts::new();
        later.add(&histogram);
        later.subtract(&earlier);
        assert_eq!(later.quantile_ms(0.99), Some(0.007));
        assert_eq!(later.buckets(), [(7, 1)]);
        let sent = serde_json::to_string(&counts).unwrap();
        let read: Counts = serde_json::from_str(&sent).unwrap();
        assert_eq!(read.buckets(), counts.buckets());
        assert_eq!((later.at_most(6), later.at_most(7), counts.total()), (0, 1, 1000));
        assert!(counts.at_most(500_000).abs_diff(500) < 20);
    }
}
