//! Whether more of the new release's requests fail than of the old one's and what is put up with above them.
//!
//! What is put up with is counted as failed requests of the old release beyond its own, rounded up. The test of the
//! table that comes of it asks whether the new release is worse than that; of an equal release it is wrong even less often
//! than the risk that was chosen.

use super::arm::Arm;
use super::exact::{Table, fisher};

/// How many failed requests, of both releases together, are worth a first look.
pub(super) const FIRST: u64 = 2;

/// There is another look when there are a quarter more.
pub(super) const QUARTERS: u64 = 1;

/// `tolerated` is in hundredths of a percentage point.
const WHOLE: u64 = 10_000;

/// The probability of so many failed requests of the new release, were it as good as what is put up with.
pub(super) fn probability(old: &Arm, new: &Arm, tolerated: u32) -> f64 {
    let beyond = (old.requests * u64::from(tolerated)).div_ceil(WHOLE);
    fisher(Table {
        new_bad: new.errors.min(new.requests),
        new: new.requests,
        old_bad: (old.errors + beyond).min(old.requests),
        old: old.requests,
    })
}

/// The probability of so many failed requests of the new release, were it as good as the old one.
pub(super) fn chance(old: &Arm, new: &Arm) -> f64 {
    probability(old, new, 0)
}
