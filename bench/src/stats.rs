//! Medians and quantiles of a few dozen measurements.

use std::time::Duration;

/// Measurements of one thing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn add(&mut self, time: Duration) {
        let at = self.0.partition_point(|other| *other < time);
        self.0.insert(at, time);
    }

    /// The value below which `share` (0 to 1) of them lie; zero without any.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "a few dozen measurements")]
        let at = share * self.0.len().saturating_sub(1) as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and the length"
        )]
        self.0.get(at.round() as usize).copied().unwrap_or_default()
    }

    pub(crate) fn median(&self) -> Duration {
        self.quantile(0.5)
    }

    pub(crate) fn longest(&self) -> Duration {
        self.quantile(1.0)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

/// The middle one of some values; the upper of two in the middle, zero without any.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// Milliseconds with one decimal, as the report shows them.
pub(crate) fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// `median 12.1 ms, 90 % within 14.0 ms, longest 15.2 ms (30 runs)`.
pub(crate) fn spread(times: &Times) -> String {
    format!(
        "median {}, 90 % within {}, longest {} ({} runs)",
        ms(times.median()),
        ms(times.quantile(0.9)),
        ms(times.longest()),
        times.count()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_needs_no_order() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median(std::iter::empty()).to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn quantiles_are_those_of_sorted_values() {
        let mut times = Times::default();
        assert_eq!(times.median(), Duration::ZERO);
        for ms in [5, 1, 4, 2, 3] {
            times.add(Duration::from_millis(ms));
        }
        let shown = [0.0, 0.5, 0.9, 1.0].map(|share| times.quantile(share).as_millis());
        assert_eq!(shown, [1, 3, 5, 5]);
    }
}
