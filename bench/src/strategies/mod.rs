//! A hundred deploys across the strategies, under load and with websockets and feeds open: nothing fails, and no stream is
//! cut before the deadline of the release that serves it.

mod containers;
mod deadline;

use std::path::Path;
use std::time::Duration;

use landfall_fx::{Clock as _, SystemClock};
use landfall_testkit::load::{Load, LoadReport};
use landfall_testkit::streams::{StreamReport, Streams};
use landfall_testkit::wait::wait_until;

use deadline::{Deployed, Judged};

use crate::application::Flaws;
use crate::live::{Live, Manner};
use crate::report::Section;
use crate::settings::Settings;
use crate::stats::ms;

/// Deploys of each strategy.
const DEPLOYS: u32 = 25;
/// Requests a second.
const RATE: u32 = 500;
/// Websockets, and as many feeds.
const STREAMS: usize = 10;
/// How long old releases may finish what is under way.
const DRAIN: Duration = Duration::from_secs(2);
/// Between two deploys.
const BETWEEN: Duration = Duration::from_millis(300);

/// The strategies as manifests write them, and with how many instances.
const STRATEGIES: [(&str, &str, u32); 4] = [
    ("restart", r#""restart""#, 1),
    ("rolling", r#""rolling""#, 3),
    ("blue-green", r#""blue-green""#, 2),
    ("canary", r#"{ kind = "canary", steps = [10, 50], hold = "500ms", requests = 10 }"#, 2),
];

/// What came of the deploys of one strategy.
struct Measured {
    failed_deploys: u32,
    load: LoadReport,
    streams: StreamReport,
    judged: Judged,
}

/// Deploys with each strategy.
pub(crate) fn measure(binary: &Path, settings: &Settings, section: &mut Section) {
    let deploys = settings.runs.unwrap_or(DEPLOYS);
    for (name, strategy, replicas) in STRATEGIES {
        let measured = run(binary, strategy, replicas, deploys);
        tell(name, replicas, deploys, &measured, section);
    }
    containers::measure(section);
}

fn run(binary: &Path, strategy: &str, replicas: u32, deploys: u32) -> Measured {
    let clock = SystemClock::new();
    let drain = format!("{}s", DRAIN.as_secs());
    let manner = Manner { strategy: strategy.to_owned(), replicas, drain };
    let flaws = Flaws::new(Duration::ZERO, 0);
    let live = Live::new(binary, manner, "r0", &flaws);
    let streams = Streams::start(live.streams(STREAMS));
    wait_until("all streams are open", Duration::from_secs(10), || streams.open() == 2 * STREAMS);
    let load = Load::start(live.load(RATE));
    let mut deployed = Vec::new();
    let mut failed_deploys = 0;
    for number in 1..=deploys {
        clock.sleep(BETWEEN);
        let begun = clock.now();
        let release = format!("r{number}");
        let ran = live.deploy(&release, &flaws);
        if ran.code == Some(0) {
            deployed.push(Deployed { release, begun });
        } else {
            failed_deploys += 1;
            println!("a deploy failed: {ran}");
        }
    }
    // Until the last old release is at its end.
    clock.sleep(DRAIN + Duration::from_secs(1));
    let load = load.stop();
    let streams = streams.stop();
    let judged = deadline::judge(&streams.cuts, &deployed, DRAIN);
    Measured { failed_deploys, load, streams, judged }
}

fn tell(name: &str, replicas: u32, deploys: u32, measured: &Measured, section: &mut Section) {
    let Measured { failed_deploys, load, streams, judged } = measured;
    let failed = load.failed + streams.refused;
    section.bounded(
        &format!("{deploys} `{name}` deploys under {RATE} requests a second"),
        &format!("{failed} failed of {}", load.failed + load.served + streams.opened + streams.refused),
        "0 failed",
        failed == 0 && *failed_deploys == 0,
        &format!(
            "{replicas} instances that end at once when they are told to; keep-alive and new connections in turn, open \
             loop; from due to answered p50 {}, p99 {}, longest {}; {failed_deploys} deploys failed{}{}",
            ms(load.quantile(0.5)),
            ms(load.quantile(0.99)),
            ms(load.longest_wait()),
            load.failures.first().map(|first| format!("; first failure: {}", first.reason)).unwrap_or_default(),
            streams.refusals.keys().next().map(|why| format!("; a stream was refused: {why}")).unwrap_or_default(),
        ),
    );
    section.bounded(
        &format!("{deploys} `{name}` deploys: websockets and event streams cut before the deadline"),
        &format!("{} cut of {}", judged.early.len(), streams.opened),
        "0 cut",
        judged.early.is_empty(),
        &format!(
            "{STREAMS} websockets and {STREAMS} event streams at any time, opened anew when they end; {} messages, all \
             whole and in order; {} ended at the deadline of {} s after the deploy that replaced their release, the \
             earliest {} after that deploy began{}",
            streams.messages,
            judged.in_time,
            DRAIN.as_secs(),
            judged.shortest.map_or_else(|| "never".to_owned(), ms),
            judged.early.first().map(|early| format!("; the first: {early}")).unwrap_or_default(),
        ),
    );
}
