//! `landfall undo`: takes back what was interrupted.

use std::process::ExitCode;

use clap::Args;
use landfall_model::{Blame, Fault, FaultKind, Retry};

use super::Word;
use crate::failure::Failure;
use crate::follow::{Purpose, follow};
use crate::project::Project;
use crate::session::{Session, block_on};
use crate::settings::Settings;
use crate::settle;

/// Arguments of `undo`.
#[derive(Debug, Args)]
pub(crate) struct Undo {
    #[command(flatten)]
    word: Word,
}

impl Undo {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let project = Project::of_environment(settings, self.word.environment.as_deref())?;
        let environment = project.environment();
        block_on(async {
            let session = Session::open(&project).await?;
            let observed = session.app().observed().await?;
            let Some(open) = observed.open else {
                settings.line(&format!("nothing is open in {environment}"))?;
                return Ok(ExitCode::SUCCESS);
            };
            settle::show(settings, project.environment(), &open);
            if open.running {
                let message = format!("transaction {} is under way", open.transaction);
                return Err(Fault::new(FaultKind::Refused, Blame::User, Retry::Safe, message)
                    .help(format!(
                        "`landfall resume {environment}` watches it, and Ctrl-C there stops it before its next step"
                    ))
                    .into());
            }
            let accepted = session.app().undo(open.transaction).await?;
            Ok(follow(settings, &session, accepted.transaction).await?.exit_code(Purpose::Undone))
        })
    }
}
