//! `landfall disk`: what takes what on the host, and taking away what nothing needs.

use std::process::ExitCode;

use clap::Args;

use super::Word;
use crate::failure::Failure;
use crate::project::Project;
use crate::session::{block_on, connect};
use crate::settings::Settings;

/// Arguments of `disk`.
#[derive(Debug, Args)]
pub(crate) struct Disk {
    #[command(flatten)]
    word: Word,
    /// Every application and environment on this machine; needs no manifest
    #[arg(long, conflicts_with = "environment")]
    all: bool,
    /// Takes away what nothing needs: only what Landfall made
    #[arg(long)]
    prune: bool,
}

impl Disk {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        block_on(self.show(settings))
    }

    async fn show(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let project = if self.all {
            None
        } else {
            Some(Project::of_environment(settings, self.word.environment.as_deref())?)
        };
        let (agent, _) = connect().await?;
        if self.prune {
            let pruned = agent.prune().await?;
            settings.show_noun(&pruned, |out, style| landfall_view::pruned(out, &pruned, style))?;
            return Ok(ExitCode::SUCCESS);
        }
        let view = agent.disk().await?;
        let place =
            project.as_ref().map(|project| (project.app().to_string(), project.environment().to_string()));
        let only = place.as_ref().map(|(app, environment)| (app.as_str(), environment.as_str()));
        settings.show_noun(&view, |out, style| landfall_view::disk(out, &view, only, style))?;
        Ok(ExitCode::SUCCESS)
    }
}
