//! `landfall openapi`: the description of the agent's API, generated from its code.

use std::process::ExitCode;

use clap::Args;

use crate::failure::Failure;
use crate::settings::Settings;

/// Arguments of `openapi`: none.
#[derive(Debug, Args)]
pub(crate) struct Openapi {}

impl Openapi {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let Self {} = self;
        settings.line(landfall_agent::openapi().trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}
