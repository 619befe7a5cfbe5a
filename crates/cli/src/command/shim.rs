//! `landfall shim DIR`, for the help and for options before the word: `main` has seen to the usual form already.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

/// Arguments of `shim`.
#[derive(Debug, Args)]
pub(crate) struct Shim {
    /// The instance's folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Shim {
    pub(crate) fn run(self) -> ExitCode {
        landfall_shim::run(&self.folder)
    }
}
