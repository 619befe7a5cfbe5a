//! Containers: what a changed line costs beyond building it and booting it, beside compose and a script with a registry;
//! what a small layer costs in the image store.

mod image;
mod overhead;
mod peers;
mod registry;
mod store;

use std::path::Path;

use crate::report::Section;
use crate::settings::Settings;

/// Deploys of each kind.
const RUNS: u32 = 10;

/// Measures all of it; says loudly when there is no engine.
pub(crate) fn measure(binary: &Path, settings: &Settings, section: &mut Section) {
    let runs = settings.runs.unwrap_or(RUNS);
    let Some(ours) = image::Deployed::new(binary, "blue-green") else {
        return section.skipped(
            "containers: LANDFALL_TEST_DOCKER names no engine with python:3.13-slim (`.ci/docker start target` makes one)",
        );
    };
    overhead::measure(&ours, runs, section);
    peers::measure(&ours, runs, section);
    store::measure(&ours, section);
}
