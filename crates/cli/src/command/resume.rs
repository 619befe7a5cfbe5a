//! `landfall resume`: finishes what was interrupted, or watches what runs.

use std::process::ExitCode;

use clap::Args;

use super::Word;
use crate::failure::Failure;
use crate::follow::{Purpose, follow};
use crate::project::Project;
use crate::session::{Session, block_on};
use crate::settings::Settings;
use crate::settle;

/// Arguments of `resume`.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    word: Word,
}

impl Resume {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let project = Project::of_environment(settings, self.word.environment.as_deref())?;
        block_on(async {
            let session = Session::open(&project).await?;
            let observed = session.app().observed().await?;
            let Some(open) = observed.open else {
                settings.line(&format!("nothing is open in {}", project.environment()))?;
                return Ok(ExitCode::SUCCESS);
            };
            settle::show(settings, project.environment(), &open);
            let transaction = if open.running {
                open.transaction
            } else {
                session.app().resume(open.transaction).await?.transaction
            };
            Ok(follow(settings, &session, transaction).await?.exit_code(Purpose::Done))
        })
    }
}
