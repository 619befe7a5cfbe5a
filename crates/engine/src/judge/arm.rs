//! What one release answered since a watch began, put together from counts that may begin anew.

use std::collections::BTreeMap;

use landfall_fx::host::Sample;

/// One release's counts since the watch began.
#[derive(Debug, Clone, Default)]
pub(super) struct Arm {
    last: Option<Sample>,
    /// Requests.
    pub(super) requests: u64,
    /// Those of them that went wrong.
    pub(super) errors: u64,
    /// Answers by latency: the largest value of a bucket in microseconds.
    pub(super) latency: BTreeMap<u64, u64>,
}

impl Arm {
    /// Takes in what the proxy counts by now. The first sample is where the watch begins; one with smaller counts than
    /// the last is that of a proxy which was started in between.
    pub(super) fn take(&mut self, sample: &Sample) {
        let Some(last) = self.last.replace(sample.clone()) else { return };
        let anew = sample.requests < last.requests || sample.errors < last.errors;
        let last = if anew { Sample::default() } else { last };
        self.requests += sample.requests - last.requests;
        self.errors += sample.errors - last.errors;
        let before: BTreeMap<u64, u64> = last.latency.into_iter().collect();
        for (upper, count) in &sample.latency {
            let more = count.saturating_sub(before.get(upper).copied().unwrap_or(0));
            if more > 0 {
                *self.latency.entry(*upper).or_default() += more;
            }
        }
    }

    /// Forgets the latencies so far.
    pub(super) fn forget_latency(&mut self) {
        self.latency.clear();
    }

    /// How many latencies are known.
    pub(super) fn timed(&self) -> u64 {
        self.latency.values().sum()
    }

    /// How many answers took longer than `micros`.
    pub(super) fn above(&self, micros: u64) -> u64 {
        self.latency.range(micros.saturating_add(1)..).map(|(_, count)| count).sum()
    }

    /// The 99th percentile in microseconds, rounded up to a bucket; `None` without answers.
    pub(super) fn p99(&self) -> Option<u64> {
        let total = self.timed();
        let rank = (total * 99).div_ceil(100);
        let mut seen = 0;
        self.latency
            .iter()
            .find(|(_, count)| {
                seen += **count;
                total > 0 && seen >= rank
            })
            .map(|(upper, _)| *upper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(requests: u64, errors: u64, latency: &[(u64, u64)]) -> Sample {
        Sample { requests, errors, latency: latency.to_vec() }
    }

    #[test]
    fn only_what_came_since_the_first_sample_counts() {
        let mut arm = Arm::default();
        arm.take(&sample(100, 3, &[(10, 90), (20, 7)]));
        assert_eq!((arm.requests, arm.errors, arm.timed(), arm.p99()), (0, 0, 0, None));
        arm.take(&sample(110, 4, &[(10, 95), (20, 8), (30, 4)]));
        assert_eq!((arm.requests, arm.errors, arm.timed()), (10, 1, 10));
        assert_eq!((arm.p99(), arm.above(10), arm.above(20)), (Some(30), 5, 4));
    }

    #[test]
    fn a_proxy_that_was_started_anew_counts_on() {
        let mut arm = Arm::default();
        arm.take(&sample(100, 3, &[(10, 97)]));
        arm.take(&sample(150, 3, &[(10, 147)]));
        arm.take(&sample(7, 1, &[(10, 6)]));
        assert_eq!((arm.requests, arm.errors, arm.timed()), (57, 1, 56));
    }
}
