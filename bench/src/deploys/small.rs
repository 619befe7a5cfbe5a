//! The commands that do next to nothing: `--version`, and a deploy with nothing changed.

use std::path::Path;
use std::time::Duration;

use super::deployed::{Application, Deployed};
use crate::report::Section;
use crate::stats::{Times, ms, spread};

const VERSION_BOUND: Duration = Duration::from_millis(10);
const UNCHANGED_BOUND: Duration = Duration::from_millis(100);

pub(crate) fn measure(binary: &Path, section: &mut Section) {
    let deployed = Deployed::new(binary, Application::Tiny, "blue-green");
    let mut version = Times::default();
    for _ in 0..50 {
        version.add(deployed.sandbox.time(&["--version"]));
    }
    section.bounded(
        "`landfall --version`",
        &ms(version.median()),
        "10 ms",
        version.median() <= VERSION_BOUND,
        &format!("the whole process from fork to exit, {}", spread(&version)),
    );
    let mut unchanged = Times::default();
    let _ = deployed.sandbox.run(&["deploy"]).ok().says("nothing changed");
    for _ in 0..30 {
        unchanged.add(deployed.sandbox.time(&["deploy"]));
    }
    section.bounded(
        "a deploy with nothing changed",
        &ms(unchanged.median()),
        "100 ms",
        unchanged.median() <= UNCHANGED_BOUND,
        &format!("the whole command, agent running, {}", spread(&unchanged)),
    );
}
