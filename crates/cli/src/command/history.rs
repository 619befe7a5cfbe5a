//! `landfall history`: transactions, newest first.

use std::process::ExitCode;

use clap::Args;

use super::Word;
use crate::failure::Failure;
use crate::project::Project;
use crate::session::{Session, block_on};
use crate::settings::Settings;

/// Arguments of `history`.
#[derive(Debug, Args)]
pub(crate) struct History {
    #[command(flatten)]
    word: Word,
    /// At most so many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    limit: u32,
}

impl History {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let project = Project::of_environment(settings, self.word.environment.as_deref())?;
        let lines = block_on(async { Ok(Session::open(&project).await?.app().history(self.limit).await?) })?;
        if settings.json {
            for line in &lines {
                settings.show(|out, _| landfall_view::json(out, line, false))?;
            }
        } else {
            settings.show(|out, style| landfall_view::history(out, &lines, Settings::now(), style))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
