//! `landfall completions SHELL`: what a shell needs to complete the command line.

use std::process::ExitCode;

use clap::Args;

use crate::arguments::definition;
use crate::failure::Failure;
use crate::settings::Settings;

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

impl Completions {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        // Made in memory first: its generator panics when the reader has gone away.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut definition(), "landfall", &mut script);
        settings.show(|out, _| out.write_all(&script))?;
        Ok(ExitCode::SUCCESS)
    }
}
