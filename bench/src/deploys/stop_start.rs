//! The peer that everybody has: a script that stops the old process and starts the new one on the same port.

use std::path::Path;
use std::time::Duration;

use landfall_fx::{Clock as _, SystemClock};
use landfall_testkit::load::{Load, LoadPlan};
use landfall_testkit::sandbox::free_address;

use super::alone::Alone;
use super::deployed::{Application, Deployed};
use super::under_load::RATE;
use crate::report::Section;
use crate::stats::ms;

const RUNS: u32 = 10;

/// Between two deploys.
const BETWEEN: Duration = Duration::from_millis(300);

pub(crate) fn measure(binary: &Path, application: Application, section: &mut Section) {
    let deployed = Deployed::new(binary, application, "restart");
    let alone = Alone::like(&deployed);
    let address = free_address();
    let mut started = alone.start_at(&address);
    let plan = LoadPlan::new(&started.address, &application.host(), RATE).path(application.path());
    let load = Load::start(plan);
    for _ in 0..RUNS {
        SystemClock::new().sleep(BETWEEN);
        started.stop();
        started = alone.start_at(&address);
    }
    let load = load.stop();
    started.stop();
    section.compared(
        &format!(
            "{}: `stop && start` without a proxy, {RUNS} times under {RATE} requests a second",
            application.name()
        ),
        &format!("{} failed of {}", load.failed, load.failed + load.served),
        &format!("longest time without an answer {}", ms(load.longest_gap)),
    );
}
