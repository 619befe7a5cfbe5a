//! `landfall promote` and `landfall abort`: a person ends a canary before its time.

use std::process::ExitCode;

use clap::Args;
use landfall_model::{Fault, TransactionId};

use super::Word;
use crate::failure::Failure;
use crate::follow::{Purpose, follow};
use crate::project::Project;
use crate::session::{Session, block_on};
use crate::settings::Settings;

/// Arguments of `promote`.
#[derive(Debug, Args)]
pub(crate) struct Promote {
    #[command(flatten)]
    word: Word,
}

/// Arguments of `abort`.
#[derive(Debug, Args)]
pub(crate) struct Abort {
    #[command(flatten)]
    word: Word,
}

impl Promote {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let project = Project::of_environment(settings, self.word.environment.as_deref())?;
        block_on(async {
            let session = Session::open(&project).await?;
            let transaction = under_way(&project, &session).await?;
            session.app().promote(transaction).await?;
            Ok(follow(settings, &session, transaction).await?.exit_code(Purpose::Done))
        })
    }
}

impl Abort {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let project = Project::of_environment(settings, self.word.environment.as_deref())?;
        block_on(async {
            let session = Session::open(&project).await?;
            let transaction = under_way(&project, &session).await?;
            session.app().abort(transaction).await?;
            Ok(follow(settings, &session, transaction).await?.exit_code(Purpose::Undone))
        })
    }
}

/// The transaction that has begun and not ended, whoever works on it; whether it is a canary, the agent says.
async fn under_way(project: &Project, session: &Session) -> Result<TransactionId, Failure> {
    let argument = project.selection.argument();
    let environment = project.environment();
    match session.app().observed().await?.open {
        Some(open) => Ok(open.transaction),
        None => {
            let fault = Fault::refused(format!("no canary is under way in {environment}"));
            Err(fault.help(format!("`landfall rollback{argument}` goes back to the release before")).into())
        }
    }
}
