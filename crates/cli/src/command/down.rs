//! `landfall down`: takes services away.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use landfall_artifact::version::{self, Source};
use landfall_model::{Fault, Observed};
use landfall_plan::DownRequest;

use super::{Words, deploy};
use crate::apply::{Cargo, apply};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::project::Project;
use crate::session::{Session, block_on};
use crate::settings::Settings;
use crate::settle;

/// Arguments of `down`.
#[derive(Debug, Args)]
pub(crate) struct Down {
    #[command(flatten)]
    words: Words,
    /// Removes their volumes too, with all they hold
    #[arg(long)]
    volumes: bool,
}

impl Down {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let project = Project::of_running(settings, &self.words.words)?;
        if !settings.yes && !Settings::can_ask() {
            return Err(Fault::refused(format!("nobody is there to confirm taking {} away", project.app()))
                .help("`--yes` confirms it")
                .into());
        }
        block_on(async {
            let session = Session::open(&project).await?;
            let observed = session.app().observed().await?;
            let observed = settle::settle(settings, &session, observed).await?;
            let plan = landfall_plan::down(&self.request(&project, &observed)?, &observed)?;
            if plan.is_empty() {
                return deploy::unchanged(settings, &plan);
            }
            let show = |err: &mut dyn Write| landfall_view::plan(err, &plan, &settings.error_style);
            confirm(settings, "Take this away?", show)?;
            apply(settings, &session, plan, Cargo::default()).await
        })
    }

    fn request(&self, project: &Project, observed: &Observed) -> Result<DownRequest, Fault> {
        let resolved = &project.resolved;
        // No release gets this version: that the source's cannot be read must not keep anything up.
        let source = version::source(&resolved.root, &resolved.version).unwrap_or(Source {
            semver: semver::Version::new(0, 0, 0),
            commit: None,
            dirty: false,
        });
        Ok(DownRequest {
            app: project.app().clone(),
            environment: project.environment().clone(),
            services: project.selection.services.clone(),
            volumes: self.volumes,
            version: version::stamp(&source, Settings::now(), observed.newest_moment.as_deref()),
        })
    }
}
