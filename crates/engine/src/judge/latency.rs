//! Whether the new release is slower where it hurts: whether more than one in a hundred of its answers take longer than
//! the old release's 99th percentile and what is put up with above it, and more of them than of the old one's.
//!
//! Counting answers on the far side of one line is blind to the shape of the distribution: two releases that answer fast
//! from a cache and slowly without have two peaks each, and the same share of answers behind the line. A new release has
//! cold caches and no connections; its first answers in the first step are left out.

use std::time::Duration;

use super::arm::Arm;
use super::exact::{Table, fisher};

/// Answers of the new release that are worth a first look.
pub(super) const FIRST: u64 = 50;

/// There is another look when there are half as many more.
pub(super) const QUARTERS: u64 = 2;

/// Answers of the new release in the first step that are left out.
pub(super) const WARM_UP: u64 = 50;

/// How long answers in the first step are left out at least.
pub(super) const WARM_UP_TIME: Duration = Duration::from_secs(3);

/// A 99th percentile of fewer answers says nothing.
const LEAST: u64 = 100;

/// What was found of the latencies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slower {
    /// The line in microseconds.
    pub(super) line: u64,
    /// Answers of the new release behind it.
    pub(super) new: u64,
    /// Answers of the old release behind it.
    pub(super) old: u64,
    /// The probability of so many of the new release, were it as good as the old one.
    pub(super) probability: f64,
}

/// What can be said of the latencies; `tolerated` is in percent of the old release's. `None` when there are too few
/// answers, or when the new release's own 99th percentile is before the line.
pub(super) fn compare(old: &Arm, new: &Arm, tolerated: u32) -> Option<Slower> {
    let p99 = old.p99().filter(|_| old.timed() >= LEAST)?;
    let line = p99.saturating_mul(100 + u64::from(tolerated)) / 100;
    let (above_new, above_old) = (new.above(line), old.above(line));
    if above_new * 100 <= new.timed() {
        return None;
    }
    let table = Table { new_bad: above_new, new: new.timed(), old_bad: above_old, old: old.timed() };
    Some(Slower { line, new: above_new, old: above_old, probability: fisher(table) })
}
