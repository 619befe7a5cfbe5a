//! The application that is measured: a program of 60 lines over a layer of dependencies, 280 MB in all; the same folder for
//! Landfall and for its peers.

use std::path::Path;
use std::time::Duration;

use landfall_fx::{Clock as _, SystemClock};
use landfall_testkit::app::{TINY, Tiny};
use landfall_testkit::ask::ask;
use landfall_testkit::sandbox::{Sandbox, free_address};

/// Where it listens inside.
pub(super) const INSIDE: u16 = 8080;
/// Its name, and so its host name `contained.localhost`.
pub(super) const NAME: &str = "contained";
pub(super) const HOST: &str = "contained.localhost";
/// Requests a second while it is replaced.
pub(super) const RATE: u32 = 200;
/// Between two deploys.
pub(super) const BETWEEN: Duration = Duration::from_millis(300);

const BASE: &str = "python:3.13-slim";
/// Between two looks whether it answers.
const LOOK: Duration = Duration::from_millis(2);
/// The longest it may take to answer.
const LOOKS: u32 = 15_000;

/// What stands before the changed line changes rarely, as with real dependencies.
fn dockerfile() -> String {
    format!(
        "FROM {BASE}\nRUN head -c 165M /dev/urandom > /opt/dependencies\nENV HOST=0.0.0.0 PORT={INSIDE}\nEXPOSE {INSIDE}\n\
         WORKDIR /app\nCOPY tiny.py .\nCMD [\"python3\", \"-S\", \"-E\", \"tiny.py\"]\n"
    )
}

/// Lays the application into a folder, with one line that is another in each version.
pub(super) fn write(folder: &Path, version: &str) {
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(folder.join("Dockerfile"), dockerfile()).expect("a file");
    std::fs::write(folder.join("tiny.py"), format!("{TINY}# {version}\n")).expect("a file");
}

/// Waits until it answers.
pub(super) fn wait(address: &str) {
    for _ in 0..LOOKS {
        if ask(address, HOST, "/healthz").is_ok_and(|answer| answer.status == 200) {
            return;
        }
        SystemClock::new().sleep(LOOK);
    }
    panic!("nobody answers at {address}");
}

/// A deployment of it by Landfall.
pub(super) struct Deployed {
    pub(super) sandbox: Sandbox,
    /// Where the proxy listens.
    pub(super) address: String,
}

impl Deployed {
    /// Deploys it for the first time; `None` without an engine.
    pub(super) fn new(binary: &Path, strategy: &str) -> Option<Self> {
        let sandbox = Sandbox::with_docker(binary, &[BASE])?;
        let address = free_address();
        sandbox.write_tiny(&Tiny::new(NAME, &address, strategy));
        sandbox.edit("landfall.toml", "[environment.dev]", "[environment.dev]\nruntime = \"docker\"");
        let deployed = Self { sandbox, address };
        deployed.change("first");
        let _ = deployed.sandbox.run(&["deploy", "-q"]).ok();
        Some(deployed)
    }

    /// Changes the line.
    pub(super) fn change(&self, version: &str) {
        write(&self.sandbox.project(), version);
    }
}
