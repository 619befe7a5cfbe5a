//! Canaries that must be taken back, and canaries that must be promoted.
//!
//! The release that serves answers with a latency whose 99th percentile is 3.2 times its median, as ordinary web
//! applications do. One kind of new release fails one request in twenty; one takes twice as long for each answer, which
//! doubles its 99th percentile; one is the same again. The load is open-loop, and each release counts the requests that it
//! answered. The share that saw a bad release is what it counted, of all that were answered from the beginning of the
//! deploy until the command said that it was taken back: nothing before or after makes it look smaller.

mod run;

use std::path::Path;
use std::time::Duration;

use run::{Outcome, Run, Runner};

use crate::application::Flaws;
use crate::report::Section;
use crate::settings::Settings;
use crate::stats::{Times, ms, spread};

/// Canaries of each kind.
const RUNS: u32 = 20;
/// Requests a second: with one in a hundred of them the first step has its answer in seconds.
pub(crate) const RATE: u32 = 2000;
/// As manifests write it.
const STRATEGY: &str =
    r#"{ kind = "canary", steps = [1, 5, 25, 50], hold = "5s", requests = 300, patience = "60s" }"#;
/// The median latency of the release that serves.
const LATENCY: Duration = Duration::from_millis(5);
/// The most of all requests that may see a release that is taken back, in percent.
const SEEN: f64 = 1.0;

/// A kind of new release.
struct Kind {
    name: &'static str,
    flaws: fn() -> Flaws,
    wanted: Outcome,
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "a release that fails 5 % of its requests",
        flaws: || Flaws::new(LATENCY, 50),
        wanted: Outcome::TakenBack,
    },
    Kind {
        name: "a release that doubles its p99",
        flaws: || Flaws::new(2 * LATENCY, 0),
        wanted: Outcome::TakenBack,
    },
    Kind { name: "an equal release", flaws: || Flaws::new(LATENCY, 0), wanted: Outcome::Promoted },
];

/// Deploys canaries of each kind.
pub(crate) fn measure(binary: &Path, settings: &Settings, section: &mut Section) {
    let count = settings.runs.unwrap_or(RUNS);
    for kind in KINDS {
        let mut runner = Runner::new(binary, STRATEGY, &Flaws::new(LATENCY, 0));
        let runs: Vec<Run> = (0..count).map(|_| runner.run(&(kind.flaws)())).collect();
        tell(&kind, &runs, section);
    }
}

fn tell(kind: &Kind, runs: &[Run], section: &mut Section) {
    let Kind { name, wanted, .. } = kind;
    let well = runs.iter().filter(|run| run.outcome == *wanted).count();
    let mut times = Times::default();
    let mut seen = Vec::new();
    for run in runs {
        times.add(run.took);
        seen.push(run.seen());
    }
    let failed: u64 = runs.iter().map(|run| run.failed_otherwise).sum();
    let first_wrong =
        runs.iter().find(|run| run.outcome != *wanted).map(|run| format!("; the first other: {}", run.said));
    section.bounded(
        &format!("{name} is {wanted}"),
        &format!("{well} of {}", runs.len()),
        &format!("{0} of {0}", runs.len()),
        well == runs.len(),
        &format!(
            "`strategy = {STRATEGY}` under {RATE} requests a second; whole command {}; failed requests that the \
             release did not fail itself: {failed}{}{}",
            spread(&times),
            runs.iter()
                .find_map(|run| run.first_failure.as_ref())
                .map(|reason| format!(" (the first: {reason})"))
                .unwrap_or_default(),
            first_wrong.unwrap_or_default()
        ),
    );
    if *wanted != Outcome::TakenBack {
        return;
    }
    seen.sort_by(f64::total_cmp);
    let most = seen.last().copied().unwrap_or_default();
    section.bounded(
        &format!("{name}: requests that saw it"),
        &format!("at most {most:.2} % of all"),
        "at most 1 % of all",
        most <= SEEN,
        &format!(
            "counted by the releases themselves, of all from the beginning of the deploy until it was told; in the middle \
             {:.2} %; the longest p99 of all requests in a run {}",
            seen.get(seen.len() / 2).copied().unwrap_or_default(),
            ms(runs.iter().map(|run| run.p99).max().unwrap_or_default()),
        ),
    );
}
