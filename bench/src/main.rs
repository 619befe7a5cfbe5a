//! Measures what Landfall promises, with the release binary and real applications, and writes `bench/REPORT.md`.
//!
//! `cargo run --release -p landfall-bench [guestbook|tiny]` takes about five minutes. Everything is measured against the
//! application's own times, taken in turn with Landfall's in the same run: the ratios and differences are what counts, not
//! the milliseconds of one machine. `tiny` leaves the guestbook out and needs no package index.

mod alone;
mod crash;
mod deployed;
mod machine;
mod nginx;
mod overhead;
mod planning;
mod report;
mod resident;
mod small;
mod stats;
mod stop_start;
mod under_load;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::deployed::Application;
use crate::report::Report;

fn main() -> ExitCode {
    let only = std::env::args().nth(1);
    let applications: &[Application] = match only.as_deref() {
        None => &[Application::Tiny, Application::Guestbook],
        Some("tiny") => &[Application::Tiny],
        Some("guestbook") => &[Application::Guestbook],
        Some(other) => {
            eprintln!("`{other}` is no application of the bench: `tiny` or `guestbook`");
            return ExitCode::from(2);
        }
    };
    let Some(binary) = release_binary() else {
        eprintln!("the release binary cannot be built");
        return ExitCode::FAILURE;
    };
    let mut report = Report::new(&binary);
    small::measure(&binary, &mut report);
    planning::measure(&binary, &mut report);
    resident::measure(&binary, &mut report);
    crash::measure(&binary, &mut report);
    for application in applications {
        overhead::measure(&binary, *application, &mut report);
        under_load::measure(&binary, *application, &mut report);
        stop_start::measure(&binary, *application, &mut report);
        nginx::measure(&binary, *application, &mut report);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("REPORT.md");
    match std::fs::write(&path, report.markdown()) {
        Ok(()) => println!("\nwritten to {}", path.display()),
        Err(error) => {
            eprintln!("{} cannot be written: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    if report.all_reached() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Builds `landfall` the way users do, and gives its path beside this very program.
fn release_binary() -> Option<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let built = Command::new(cargo)
        .args(["build", "--release", "--locked", "-p", "landfall"])
        .current_dir(root)
        .status()
        .is_ok_and(|status| status.success());
    let beside = std::env::current_exe().ok()?.with_file_name("landfall");
    (built && beside.is_file()).then_some(beside)
}
