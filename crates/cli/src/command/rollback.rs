//! `landfall rollback`: an earlier release serves again.

use std::process::ExitCode;

use clap::Args;
use landfall_model::{Fault, Observed, Version};
use landfall_plan::RollbackRequest;

use super::{Words, deploy};
use crate::apply::{Cargo, apply};
use crate::failure::Failure;
use crate::project::Project;
use crate::session::{Session, block_on};
use crate::settings::Settings;
use crate::settle;

/// Arguments of `rollback`.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    #[command(flatten)]
    words: Words,
    /// The version to go to, or as much of its begin as no other has; the one that served before when left out
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
}

impl Rollback {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let project = Project::of_running(settings, &self.words.words)?;
        block_on(async {
            let session = Session::open(&project).await?;
            let observed = session.app().observed().await?;
            let observed = settle::settle(settings, &session, observed).await?;
            let request = RollbackRequest {
                app: project.app().clone(),
                environment: project.environment().clone(),
                services: project.selection.services.clone(),
                to: self.to.as_deref().map(|text| version(text, &observed)).transpose()?,
            };
            let plan = landfall_plan::rollback(&request, &observed)?;
            if plan.is_empty() {
                return deploy::unchanged(settings, &plan);
            }
            apply(settings, &session, plan, Cargo::default()).await
        })
    }
}

/// The kept version that `text` is, or is the begin of.
fn version(text: &str, observed: &Observed) -> Result<Version, Fault> {
    let mut kept: Vec<&Version> = observed
        .services
        .values()
        .flat_map(|service| &service.releases)
        .map(|known| known.release.id.version())
        .collect();
    kept.sort();
    kept.dedup();
    if let Some(exact) = kept.iter().find(|version| version.to_string() == text) {
        return Ok((*exact).clone());
    }
    let matching: Vec<&Version> =
        kept.iter().copied().filter(|version| version.to_string().starts_with(text)).collect();
    let listed =
        |versions: &[&Version]| versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match matching.as_slice() {
        [one] => Ok((*one).clone()),
        [] if kept.is_empty() => Err(Fault::refused("no release is kept here to go back to")),
        [] => Err(Fault::refused(format!("no release of version {text} is kept"))
            .help(format!("kept are {}", listed(&kept)))),
        several => Err(Fault::usage(format!("{text} may be any of {}", listed(several)))
            .help("give more of the version")),
    }
}
