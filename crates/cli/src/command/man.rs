//! `landfall man [DIR]`: the manual, made from the definition of the command line.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use landfall_model::Fault;

use crate::arguments::definition;
use crate::failure::Failure;
use crate::settings::Settings;

/// Arguments of `man`.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Where to write a page for each command; the main page is printed when left out
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let Some(folder) = self.folder else {
            settings.show(|out, _| clap_mangen::Man::new(definition()).render(out))?;
            return Ok(ExitCode::SUCCESS);
        };
        let folder = settings.folder.join(folder);
        let written =
            fs::create_dir_all(&folder).and_then(|()| clap_mangen::generate_to(definition(), &folder));
        written.map_err(|error| {
            Fault::refused(format!("the pages cannot be written to {}: {error}", folder.display()))
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
