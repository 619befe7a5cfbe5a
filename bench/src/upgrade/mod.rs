//! The proxy replaced by its next version under load, as users do it: a new binary where the old one was, then any command.
//! And the proxy killed: how long until the same routes answer again.

mod installed;
mod killed;

use std::path::Path;
use std::time::{Duration, Instant};

use landfall_fx::{Clock as _, SystemClock};
use landfall_testkit::load::Load;
use landfall_testkit::streams::Streams;
use landfall_testkit::wait::{wait_for, wait_until};

use installed::Installed;

use crate::application::Flaws;
use crate::live::{Live, Manner};
use crate::report::Section;
use crate::settings::Settings;
use crate::stats::{Times, ms, spread};

/// Upgrades, and kills.
const RUNS: u32 = 10;
/// Requests a second.
const RATE: u32 = 500;
/// Websockets, and as many feeds.
const STREAMS: usize = 10;
/// Between two upgrades, so that what comes after one is seen too.
const BETWEEN: Duration = Duration::from_millis(700);
/// For the proxy of the next version to serve.
const LIMIT: Duration = Duration::from_secs(15);

/// Replaces the binary again and again.
pub(crate) fn measure(binary: &Path, settings: &Settings, section: &mut Section) {
    let runs = settings.runs.unwrap_or(RUNS);
    let installed = Installed::new(binary);
    let manner = Manner { strategy: "\"blue-green\"".to_owned(), replicas: 2, drain: "2s".to_owned() };
    let live = Live::new(&installed.program(), manner, "r0", &Flaws::new(Duration::ZERO, 0));
    upgrades(&live, &installed, runs, section);
    killed::measure(&live, runs, section);
}

fn upgrades(live: &Live, installed: &Installed, runs: u32, section: &mut Section) {
    let clock = SystemClock::new();
    let streams = Streams::start(live.streams(STREAMS));
    wait_until("all streams are open", LIMIT, || streams.open() == 2 * STREAMS);
    let load = Load::start(live.load(RATE));
    let (mut times, mut replaced) = (Times::default(), 0);
    for _ in 0..runs {
        clock.sleep(BETWEEN);
        let build = installed.upgrade();
        let begun = Instant::now();
        let _ = live.sandbox.run(&["status", "--json"]).ok();
        let serves = || (live.sandbox.info().proxy_build.as_ref() == Some(&build)).then_some(());
        if wait_for(LIMIT, serves).is_some() {
            times.add(begun.elapsed());
            replaced += 1;
        }
    }
    clock.sleep(BETWEEN);
    let (load, streams) = (load.stop(), streams.stop());
    let failed = load.failed + streams.refused;
    section.bounded(
        &format!("{runs} upgrades of the proxy's own binary under {RATE} requests a second"),
        &format!("{failed} failed of {}, {} streams cut", load.failed + load.served, streams.cut),
        "0 failed, 0 cut",
        failed == 0 && streams.cut == 0 && replaced == runs,
        &format!(
            "a new binary, then `landfall status`; {replaced} of {runs} replaced the proxy; until the new one serves {}; \
             keep-alive and new connections in turn, open loop, p99 {}, longest wait {}, longest time without an answer \
             {}; {STREAMS} websockets and {STREAMS} event streams with {} messages{}{}",
            spread(&times),
            ms(load.quantile(0.99)),
            ms(load.longest_wait()),
            ms(load.longest_gap),
            streams.messages,
            load.failures.first().map(|first| format!("; first failure: {}", first.reason)).unwrap_or_default(),
            streams.cuts.first().map(|first| format!("; first cut: {}", first.reason)).unwrap_or_default(),
        ),
    );
}
