//! Deploying: what Landfall itself costs, and what is lost and who waits while releases change.

mod alone;
mod crash;
mod deployed;
mod nginx;
mod overhead;
mod planning;
mod resident;
mod small;
mod stop_start;
mod under_load;

use std::path::Path;

use crate::report::Section;

pub(crate) use deployed::Application;

/// What needs no particular application: small commands, large plans, idle memory, a release that does not boot.
pub(crate) fn measure_basics(binary: &Path, section: &mut Section) {
    small::measure(binary, section);
    planning::measure(binary, section);
    resident::measure(binary, section);
    crash::measure(binary, section);
}

/// Deploys of one application, beside the same done by hand and by scripts.
pub(crate) fn measure(binary: &Path, application: Application, section: &mut Section) {
    overhead::measure(binary, application, section);
    under_load::measure(binary, application, section);
    stop_start::measure(binary, application, section);
    nginx::measure(binary, application, section);
}
