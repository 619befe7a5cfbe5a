//! Measures what Landfall promises, with the release binary, real applications and real peers, and writes
//! `bench/REPORT.md`.
//!
//! `cargo run --release -p landfall-bench [GROUP…] [--runs N] [--seconds N] [--binary FILE]`; without a group all are run, which takes
//! about an hour. Landfall is measured against the applications' own times or against peers, taken in turn with it in the
//! same run: the ratios and differences are what counts, not the milliseconds of one machine.

mod application;
mod canary;
mod containers;
mod deploys;
mod live;
mod machine;
mod proxy;
mod report;
mod settings;
mod stats;
mod strategies;
mod upgrade;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::deploys::Application;
use crate::report::{Section, file};
use crate::settings::{Group, Settings, USAGE};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(application::ROLE) {
        return application::run();
    }
    let settings = match Settings::parse(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(wrong) => {
            eprintln!("{wrong}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let Some(binary) = settings.binary.clone().or_else(release_binary) else {
        eprintln!("the release binary cannot be built");
        return ExitCode::FAILURE;
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("REPORT.md");
    let mut reached = true;
    for group in &settings.groups {
        let mut section = Section::new(group.name(), &machine::describe(&binary));
        measure(*group, &binary, &settings, &mut section);
        reached &= section.all_reached();
        // After each group, for a long run that is broken off.
        if let Err(error) = file::replace(&path, &section) {
            eprintln!("{} cannot be written: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    println!("\nwritten to {}", path.display());
    if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn measure(group: Group, binary: &Path, settings: &Settings, section: &mut Section) {
    match group {
        Group::Basics => deploys::measure_basics(binary, section),
        Group::Tiny => deploys::measure(binary, Application::Tiny, section),
        Group::Guestbook => deploys::measure(binary, Application::Guestbook, section),
        Group::Proxy => proxy::measure(binary, settings, section),
        Group::Upgrade => upgrade::measure(binary, settings, section),
        Group::Strategies => strategies::measure(binary, settings, section),
        Group::Canary => canary::measure(binary, settings, section),
        Group::Containers => containers::measure(binary, settings, section),
    }
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
