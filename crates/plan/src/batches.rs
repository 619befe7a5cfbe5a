//! The batches of a `rolling`: how many instances of both releases there are after each, as pure arithmetic.

use landfall_model::Rolling;

/// One batch but the last, which is the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Up to which instance of the new release is started first; `None` when none is.
    pub(crate) start: Option<u32>,
    /// Instances of the old release that get requests after it.
    pub(crate) old: u32,
    /// Instances of the new release that get requests after it.
    pub(crate) new: u32,
}

/// The batches from `old` instances to `new`, which are at least 1 each. There are never fewer than the lesser of both
/// numbers less `max_unavailable` (and never none), and never more than the greater one and `max_surge`; what is being
/// drained is not counted, as in Kubernetes. `None` when that leaves no way but to stop the one before the other starts.
///
/// With `stay` the old instances stay up until all is over, so that only what gets requests is counted: both bounds
/// together are then the size of a batch.
pub(crate) fn batches(old: u32, new: u32, bounds: Rolling, stay: bool) -> Option<Vec<Batch>> {
    let surge = if stay { (bounds.max_surge + bounds.max_unavailable).max(1) } else { bounds.max_surge };
    let surge = if bounds.max_unavailable == 0 { surge.max(1) } else { surge };
    let missing = if stay { 0 } else { bounds.max_unavailable };
    let floor = old.min(new).saturating_sub(missing).max(1);
    let ceiling = old.max(new) + surge;
    let (mut left, mut up) = (old, 0);
    let mut batches = Vec::new();
    loop {
        let room = if stay { surge } else { ceiling.saturating_sub(left + up) };
        let start = room.min(new - up);
        up += start;
        if up == new {
            return Some(batches);
        }
        let spare = (left + up).saturating_sub(floor).min(left);
        if start == 0 && spare == 0 {
            return None;
        }
        left -= spare;
        batches.push(Batch { start: (start > 0).then_some(up), old: left, new: up });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(old: u32, new: u32, max_unavailable: u32, max_surge: u32) -> Option<Vec<(Option<u32>, u32, u32)>> {
        let all = batches(old, new, Rolling { max_unavailable, max_surge }, false)?;
        Some(all.into_iter().map(|batch| (batch.start, batch.old, batch.new)).collect())
    }

    #[test]
    fn one_more_and_none_missing_goes_one_by_one() {
        assert_eq!(of(3, 3, 0, 1), Some(vec![(Some(1), 2, 1), (Some(2), 1, 2)]));
        assert_eq!(of(1, 1, 0, 1), Some(vec![]), "one instance changes over at once");
    }

    #[test]
    fn none_more_and_one_missing_makes_room_first() {
        assert_eq!(of(2, 2, 1, 0), Some(vec![(None, 1, 0), (Some(1), 0, 1)]));
        assert_eq!(of(3, 3, 1, 0), Some(vec![(None, 2, 0), (Some(1), 1, 1), (Some(2), 0, 2)]));
        assert_eq!(of(1, 1, 1, 0), None, "the one instance has to go before the other comes");
    }

    #[test]
    fn the_numbers_may_differ() {
        assert_eq!(of(1, 4, 0, 1), Some(vec![]), "there is room for all four");
        assert_eq!(of(4, 1, 0, 1), Some(vec![]));
        assert_eq!(of(2, 4, 0, 1), Some(vec![(Some(3), 0, 3)]));
    }

    proptest! {
        #[test]
        fn the_bounds_hold_at_every_moment(
            old in 1..40_u32, new in 1..40_u32, missing in 0..10_u32, surge in 0..10_u32, stay: bool,
        ) {
            let bounds = Rolling { max_unavailable: missing, max_surge: surge };
            let Some(all) = batches(old, new, bounds, stay) else {
                prop_assert!(old == 1 && new == 1 && surge == 0 && !stay);
                return Ok(());
            };
            let surge = if missing == 0 { surge.max(1) } else { surge };
            let floor = old.min(new).saturating_sub(missing).max(1);
            let (mut left, mut up) = (old, 0);
            let last = Batch { start: Some(new), old: 0, new };
            for batch in all.into_iter().chain([last]) {
                if let Some(start) = batch.start {
                    prop_assert!(start > up && start <= new);
                    prop_assert!(stay || left + start <= old.max(new) + surge, "{left} and {start}");
                    up = start;
                }
                prop_assert_eq!(batch.new, up);
                prop_assert!(batch.old <= left);
                left = batch.old;
                prop_assert!(left + up >= floor, "{left} and {up} are fewer than {floor}");
            }
        }
    }
}
