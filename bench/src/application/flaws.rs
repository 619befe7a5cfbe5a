//! How fast a release of the application is, and what is wrong with it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use landfall_fx::{Random as _, SystemRandom};

/// The width of the latencies' spread: with it the 99th percentile is 3.2 times the median.
const SIGMA: f64 = 0.5;

/// Latency and failures, drawn for each request; written as `MEDIAN_MICROS FAILS_PER_THOUSAND`, empty for none of both.
///
/// Latencies are spread log-normally, as those of ordinary web applications are.
#[derive(Debug, Clone)]
pub(crate) struct Flaws {
    /// The median latency.
    pub(crate) median: Duration,
    /// Of a thousand requests, those that are answered with 500.
    pub(crate) fails: u32,
    state: Arc<AtomicU64>,
}

impl Flaws {
    /// These, with a seed that no other has.
    pub(crate) fn new(median: Duration, fails: u32) -> Self {
        let mut seed = [0; 8];
        // Without random numbers each release draws the same, which is good enough for a bench.
        let _ = SystemRandom.fill(&mut seed);
        Self { median, fails, state: Arc::new(AtomicU64::new(u64::from_le_bytes(seed))) }
    }

    /// The latency of the next request, and whether it fails.
    pub(crate) fn draw(&self) -> (Duration, bool) {
        // A sum of twelve even numbers is close to normal, with a variance of 1 (the central limit theorem).
        let normal = (0..12).map(|_| self.even()).sum::<f64>() - 6.0;
        (self.median.mul_f64((SIGMA * normal).exp()), self.even() * 1000.0 < f64::from(self.fails))
    }

    /// A number from 0 to 1, by `SplitMix64` (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators).
    fn even(&self) -> f64 {
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let mut bits = self.state.fetch_add(step, Ordering::Relaxed).wrapping_add(step);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let whole = (bits >> 11) as f64;
        whole / 9_007_199_254_740_992.0
    }
}

impl FromStr for Flaws {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Result<Vec<u32>, _> = text.split_whitespace().map(str::parse).collect();
        match numbers.as_deref() {
            Ok([]) => Ok(Self::new(Duration::ZERO, 0)),
            Ok([median, fails]) => Ok(Self::new(Duration::from_micros((*median).into()), *fails)),
            _ => Err(format!("`{text}` is not `MEDIAN_MICROS FAILS_PER_THOUSAND`")),
        }
    }
}

impl fmt::Display for Flaws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.median.as_micros(), self.fails)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flaws_come_out_as_they_went_in_and_show_in_what_is_drawn() {
        let flaws: Flaws = "5000 50".parse().unwrap();
        assert_eq!(flaws.to_string(), "5000 50");
        let drawn: Vec<(Duration, bool)> = (0..20_000).map(|_| flaws.draw()).collect();
        let failed = drawn.iter().filter(|(_, fails)| *fails).count();
        assert!((800..1200).contains(&failed), "{failed}");
        let mut latencies: Vec<Duration> = drawn.into_iter().map(|(latency, _)| latency).collect();
        latencies.sort_unstable();
        assert!((4800..5200).contains(&latencies[10_000].as_micros()), "{:?}", latencies[10_000]);
        let ratio = latencies[19_800].as_secs_f64() / latencies[10_000].as_secs_f64();
        assert!((2.9..3.5).contains(&ratio), "{ratio}");
    }

    #[test]
    fn a_release_without_flaws_answers_at_once() {
        let flaws: Flaws = "".parse().unwrap();
        assert_eq!(flaws.draw(), (Duration::ZERO, false));
        assert!("fast".parse::<Flaws>().is_err() && "1".parse::<Flaws>().is_err());
    }
}
