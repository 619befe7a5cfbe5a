//! `landfall status`: what runs, and who gets the requests.

use std::process::ExitCode;

use clap::Args;
use landfall_model::ServiceName;

use super::Words;
use crate::failure::Failure;
use crate::project::Project;
use crate::session::{Session, block_on, connect};
use crate::settings::Settings;

/// Arguments of `status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    words: Words,
    /// Every application and environment on this machine; needs no manifest
    #[arg(long, conflicts_with = "words")]
    all: bool,
}

impl Status {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        if self.all {
            return block_on(all(settings));
        }
        let project = Project::of_running(settings, &self.words.words)?;
        let mut status = block_on(async { Ok(Session::open(&project).await?.app().status().await?) })?;
        status.observed.services.retain(|service, _| project.selection.includes(service));
        status.routes.retain(|route| project.selection.includes(&route.service));
        let wanted: Vec<ServiceName> = project.names().into_iter().cloned().collect();
        let wanted = (!wanted.is_empty()).then_some(wanted.as_slice());
        settings.show_noun(&status, |out, style| {
            landfall_view::status(out, &status, wanted, Settings::now(), style)
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn all(settings: &Settings) -> Result<ExitCode, Failure> {
    let (agent, _) = connect().await?;
    let apps = agent.apps().await?;
    if apps.is_empty() && !settings.json {
        settings.line("nothing is deployed on this machine")?;
    }
    for (index, deployed) in apps.iter().enumerate() {
        let status = agent.app(&deployed.app, &deployed.environment).status().await?;
        settings.show_noun(&status, |out, style| {
            if index > 0 {
                writeln!(out)?;
            }
            landfall_view::status(out, &status, None, Settings::now(), style)
        })?;
    }
    Ok(ExitCode::SUCCESS)
}
