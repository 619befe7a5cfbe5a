//! How long after its end an application that exits at boot is reported, autopsy and all.

use std::path::Path;
use std::time::Duration;

use landfall_fx::{Clock as _, SystemClock};
use landfall_testkit::app::{Tiny, TinyFault};

use super::deployed::{Application, Deployed};
use crate::report::Section;
use crate::stats::{Times, ms, spread};

const BOUND: Duration = Duration::from_secs(1);

pub(crate) fn measure(binary: &Path, section: &mut Section) {
    let deployed = Deployed::new(binary, Application::Tiny, "blue-green");
    let mut delays = Times::default();
    for turn in 0..10 {
        let tiny = Tiny::new("tiny", &deployed.address, "blue-green").says(&turn.to_string());
        deployed.sandbox.write_tiny(&tiny.fault(TinyFault::Syntax));
        let ran = deployed.sandbox.run(&["deploy", "--json"]).code(4);
        let told = SystemClock::new().now();
        let fault = ran.fault();
        let exit = fault.autopsy.and_then(|autopsy| autopsy.evidence.exit).expect("it exited");
        delays.add(told.since(exit.at));
    }
    section.bounded(
        "an application that exits at boot: from its exit to the end of the command",
        &ms(delays.median()),
        "1 s",
        delays.longest() <= BOUND,
        &format!("with the autopsy printed and the old release read back, {}", spread(&delays)),
    );
}
