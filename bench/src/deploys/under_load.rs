//! Thirty deploys under 500 requests a second: what is lost, and how long anybody waits.

use std::path::Path;
use std::time::Duration;

use landfall_fx::{Clock as _, SystemClock};
use landfall_testkit::load::{Load, LoadPlan, LoadReport};

use super::alone::Alone;
use super::deployed::{Application, Deployed};
use crate::report::Section;
use crate::stats::{Times, ms, spread};

/// Requests a second.
pub(crate) const RATE: u32 = 500;
const RUNS: u32 = 30;
/// Between two deploys, so that what comes after a switch is seen too.
const BETWEEN: Duration = Duration::from_millis(200);
const BOUND: Duration = Duration::from_millis(100);

pub(crate) fn measure(binary: &Path, application: Application, section: &mut Section) {
    let (load, _, _) = deploys(binary, application, "blue-green", false);
    tell(application, "blue-green", &load, section);
    let (load, pauses, own) = deploys(binary, application, "restart", true);
    tell(application, "restart", &load, section);
    let beyond = load.longest_wait().max(pauses.longest()).saturating_sub(own.longest());
    section.bounded(
        &format!("{}: longest pause of a `restart` beyond the application's own stop and boot", application.name()),
        &ms(beyond),
        "100 ms",
        beyond <= BOUND,
        &format!(
            "longest wait of a request {}; pause as the proxy measured it {}; own stop and boot by hand, taken in turn under \
             the same load, {}; longest against longest",
            ms(load.longest_wait()),
            spread(&pauses),
            spread(&own)
        ),
    );
}

fn tell(application: Application, strategy: &str, load: &LoadReport, section: &mut Section) {
    section.bounded(
        &format!("{}: {RUNS} `{strategy}` deploys under {RATE} requests a second", application.name()),
        &format!("{} failed of {}", load.failed, load.failed + load.served),
        "0 failed",
        load.failed == 0,
        &format!(
            "keep-alive and new connections in turn, open loop; from due to answered p50 {}, p99 {}, longest {}; \
             longest time without an answer {}{}",
            ms(load.quantile(0.5)),
            ms(load.quantile(0.99)),
            ms(load.longest_wait()),
            ms(load.longest_gap),
            load.failures.first().map(|first| format!("; first failure: {}", first.reason)).unwrap_or_default()
        ),
    );
}

/// Deploys under load; gives the load's report, the pauses of the receipts and, taken in turn, the application's own.
fn deploys(
    binary: &Path,
    application: Application,
    strategy: &str,
    in_turn: bool,
) -> (LoadReport, Times, Times) {
    let mut deployed = Deployed::new(binary, application, strategy);
    let alone = Alone::like(&deployed);
    let (mut pauses, mut own) = (Times::default(), Times::default());
    let plan = LoadPlan::new(&deployed.address, &application.host(), RATE).path(application.path());
    let load = Load::start(plan);
    for _ in 0..RUNS {
        SystemClock::new().sleep(BETWEEN);
        if in_turn {
            let started = alone.start();
            let boot = started.boot;
            own.add(started.stop() + boot);
        }
        deployed.change_a_line();
        let _ = deployed.sandbox.run(&["deploy", "-q"]).ok();
        pauses.add(Duration::from_millis(deployed.receipt().downtime.measured_ms));
    }
    (load.stop(), pauses, own)
}
