//! The memory of agent and proxy when they are idle.

use std::path::Path;
use std::time::Duration;

use landfall_fx::{Clock as _, SystemClock};

use super::deployed::{Application, Deployed};
use crate::report::Section;

const BOUND: u64 = 30 << 20;

pub(crate) fn measure(binary: &Path, section: &mut Section) {
    let mut deployed = Deployed::new(binary, Application::Tiny, "blue-green");
    for _ in 0..5 {
        deployed.change_a_line();
        let _ = deployed.sandbox.run(&["deploy", "-q"]).ok();
    }
    SystemClock::new().sleep(Duration::from_secs(3));
    let resident = |role: &[&str]| {
        let process = deployed.sandbox.process(role).expect("it runs");
        process.memory().expect("it runs")
    };
    let (agent, proxy) = (resident(&["agent", "run"]), resident(&["proxy", "run"]));
    let shims = deployed.sandbox.processes().into_iter().filter(|process| process.is_role(&["shim"]));
    let shim = shims.filter_map(|shim| shim.memory()).max().unwrap_or_default();
    let mebibytes = |bytes: u64| format!("{}.{} MiB", bytes >> 20, ((bytes & ((1 << 20) - 1)) * 10) >> 20);
    section.bounded(
        "agent and proxy, resident when idle",
        &mebibytes(agent + proxy),
        "30 MiB",
        agent + proxy <= BOUND,
        &format!(
            "VmRSS 3 s after six deploys: agent {}, proxy {}; a supervisor has {} beside each instance",
            mebibytes(agent),
            mebibytes(proxy),
            mebibytes(shim)
        ),
    );
}
