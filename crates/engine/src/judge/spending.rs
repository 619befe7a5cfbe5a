//! How many times one may look: every look may be wrong by chance, and all together no more often than `alpha` says.
//!
//! The kth look believes what it sees at a probability of alpha / (k (k + 1)). These add up to alpha over any number of
//! looks (1/2 + 1/6 + 1/12 + … = 1), so that by Bonferroni's inequality the chance of one false alarm among them is at
//! most alpha; the first looks, which save the most requests, get the most of it (an alpha-spending rule, as
//! in *Statistics in Medicine* 13 (1994), 1341-1352). There is a look only when the sample has grown by a factor, so
//! that a sample of any size takes few.

/// When to look, and what each look may spend.
#[derive(Debug, Clone)]
pub(super) struct Looks {
    alpha: f64,
    taken: u32,
    /// The size of the sample at the last look.
    seen: u64,
    /// The size from which on there is another.
    next: u64,
    /// By how much the sample grows from look to look, in quarters.
    quarters: u64,
}

impl Looks {
    /// Looks that spend `alpha`, the first at a sample of `first`, then whenever it has grown by `quarters` quarters.
    pub(super) fn new(alpha: f64, first: u64, quarters: u64) -> Self {
        Self { alpha, taken: 0, seen: 0, next: first, quarters }
    }

    /// What a look at a sample of `size` may spend; `None` when it is not time for one. With `last` any growth is enough.
    pub(super) fn due(&mut self, size: u64, last: bool) -> Option<f64> {
        if size < self.next && !(last && size > self.seen) {
            return None;
        }
        self.taken += 1;
        self.seen = size;
        self.next = (size + 1).max((size * (4 + self.quarters)).div_ceil(4));
        let k = f64::from(self.taken);
        Some(self.alpha / (k * (k + 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_look_is_due_when_the_sample_has_grown() {
        let mut looks = Looks::new(0.01, 4, 2);
        let at: Vec<u64> = (0..60).filter(|size| looks.due(*size, false).is_some()).collect();
        assert_eq!(at, [4, 6, 9, 14, 21, 32, 48]);
        assert_eq!(looks.due(48, true), None, "nothing is new");
        assert!(looks.due(49, true).is_some());
    }

    proptest! {
        #[test]
        fn all_looks_together_spend_no_more_than_alpha(steps in proptest::collection::vec((0..50_u64, any::<bool>()), 0..400)) {
            let mut looks = Looks::new(0.001, 2, 1);
            let (mut size, mut spent) = (0, 0.0);
            for (more, last) in steps {
                size += more;
                spent += looks.due(size, last).unwrap_or(0.0);
            }
            prop_assert!(spent < 0.001);
        }
    }
}
