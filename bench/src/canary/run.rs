//! One canary: deployed under load, its requests counted on the application's own side.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use landfall_fx::{Clock as _, SystemClock};
use landfall_testkit::load::Load;

use super::RATE;
use crate::application::{Flaws, tallied};
use crate::live::{Live, Manner};

/// Load before the deploy begins, so that it is steady.
const BEFORE: Duration = Duration::from_secs(1);

/// What became of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It gets all requests.
    Promoted,
    /// The old release gets all requests again.
    TakenBack,
    /// Neither.
    Other,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Promoted => "promoted",
            Self::TakenBack => "taken back",
            Self::Other => "left in between",
        })
    }
}

/// One canary.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) outcome: Outcome,
    /// From the command's start to its end.
    pub(super) took: Duration,
    /// Requests that the new release answered.
    answered: u64,
    /// Requests that were answered from the command's start to its end.
    all: u64,
    /// Failed requests that are not the new release's own answers.
    pub(super) failed_otherwise: u64,
    /// Why the first of them failed.
    pub(super) first_failure: Option<String>,
    /// The 99th percentile of all requests of the run.
    pub(super) p99: Duration,
    /// What the command said.
    pub(super) said: String,
}

impl Run {
    /// The share of all requests that saw the new release, in percent.
    #[expect(clippy::cast_precision_loss, reason = "requests of a minute")]
    pub(super) fn seen(&self) -> f64 {
        self.answered as f64 * 100.0 / self.all.max(1) as f64
    }
}

/// Deploys one canary after the other over a release that serves.
pub(super) struct Runner {
    live: Live,
    number: u32,
}

impl Runner {
    /// Deploys the release that serves.
    ///
    /// # Panics
    /// When that fails.
    pub(super) fn new(binary: &Path, strategy: &str, flaws: &Flaws) -> Self {
        let manner = Manner { strategy: strategy.to_owned(), replicas: 1, drain: "2s".to_owned() };
        Self { live: Live::new(binary, manner, "r0", flaws), number: 0 }
    }

    /// Deploys a release and counts.
    pub(super) fn run(&mut self, flaws: &Flaws) -> Run {
        self.number += 1;
        let release = format!("r{}", self.number);
        let load = Load::start(self.live.load(RATE));
        SystemClock::new().sleep(BEFORE);
        let all = || tallied(&self.live.tallies()).into_values().sum::<u64>();
        let before = all();
        let begun = Instant::now();
        let ran = self.live.deploy(&release, flaws);
        let took = begun.elapsed();
        let all = all() - before;
        let load = load.stop();
        // Counted last: what the release still answers after it was taken back is in it.
        let answered = tallied(&self.live.tallies()).get(&release).copied().unwrap_or_default();
        let outcome = match ran.code {
            Some(0) => Outcome::Promoted,
            Some(4) => Outcome::TakenBack,
            _ => Outcome::Other,
        };
        let own = format!("status 500: {release} failed");
        let (expected, others): (Vec<_>, Vec<_>) =
            load.failures.iter().partition(|failure| failure.reason == own);
        let run = Run {
            outcome,
            took,
            answered,
            all,
            failed_otherwise: load.failed - expected.len() as u64,
            first_failure: others.first().map(|failure| failure.reason.clone()),
            p99: load.quantile(0.99),
            said: ran.lines_of_json().last().map(ToString::to_string).unwrap_or_default(),
        };
        let seen = run.seen();
        println!(
            "     {release}: {outcome} after {took:.1?}, {answered} of {all} requests saw it ({seen:.2} %)"
        );
        run
    }
}
