//! `landfall schema`: the JSON Schema of the manifest, for editors.

use std::process::ExitCode;

use clap::Args;

use crate::failure::Failure;
use crate::settings::Settings;

/// Arguments of `schema`: none.
#[derive(Debug, Args)]
pub(crate) struct Schema {}

impl Schema {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let Self {} = self;
        settings.show(|out, _| landfall_view::json(out, &landfall_manifest::schema(), true))?;
        Ok(ExitCode::SUCCESS)
    }
}
