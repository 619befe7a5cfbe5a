//! What a blue-green deploy costs beyond the application's own boot.

use std::path::Path;
use std::time::Duration;

use super::alone::Alone;
use super::deployed::{Application, Deployed};
use crate::report::Section;
use crate::stats::{Times, ms, spread};

const RUNS: u32 = 30;
const BOUND: Duration = Duration::from_millis(150);

pub(crate) fn measure(binary: &Path, application: Application, section: &mut Section) {
    let mut deployed = Deployed::new(binary, application, "blue-green");
    let alone = Alone::like(&deployed);
    let (mut boots, mut deploys, mut overheads) = (Times::default(), Times::default(), Times::default());
    for _ in 0..RUNS {
        let started = alone.start();
        let boot = started.boot;
        started.stop();
        deployed.change_a_line();
        let deploy = deployed.sandbox.time(&["deploy", "-q"]);
        boots.add(boot);
        deploys.add(deploy);
        overheads.add(deploy.saturating_sub(boot));
    }
    section.bounded(
        &format!(
            "{}: blue-green deploy of a changed line, beyond the application's own boot",
            application.name()
        ),
        &ms(overheads.median()),
        "150 ms",
        overheads.median() <= BOUND,
        &format!(
            "{}; boot by hand {}; whole command {}; taken in turn",
            spread(&overheads),
            spread(&boots),
            spread(&deploys)
        ),
    );
}
