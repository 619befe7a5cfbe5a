//! `landfall down`: takes services away.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use landfall_artifact::version::{self, Source};
use landfall_model::api::DiskEntry;
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
            let code = self.take_away(settings, &project, &session).await;
            if self.volumes {
                tell_kept(settings, &project, &session).await;
            }
            code
        })
    }

    async fn take_away(
        &self,
        settings: &Settings,
        project: &Project,
        session: &Session,
    ) -> Result<ExitCode, Failure> {
        let observed = session.app().observed().await?;
        let observed = settle::settle(settings, session, observed).await?;
        let plan = landfall_plan::down(&self.request(project, &observed)?, &observed)?;
        if plan.is_empty() {
            return deploy::unchanged(settings, &plan);
        }
        let show = |err: &mut dyn Write| landfall_view::plan(err, &plan, &settings.error_style);
        confirm(settings, "Take this away?", show)?;
        apply(settings, session, plan, Cargo::default()).await
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

/// Says which volumes stay all the same: those that were kept when their services went before. What they hold is not
/// taken away unseen.
async fn tell_kept(settings: &Settings, project: &Project, session: &Session) {
    // That nothing is known of them changes nothing about what was done.
    let Ok(view) = session.agent().disk().await else { return };
    let place = (project.app().as_str(), project.environment().as_str());
    let idle = landfall_view::idle_volumes(&view, Some(place)).into_iter().filter_map(DiskEntry::idle_volume);
    let kept: Vec<String> = idle
        .filter(|volume| project.selection.includes(&volume.service))
        .map(|volume| format!("`{}` of {}", volume.name, volume.service))
        .collect();
    if !kept.is_empty() {
        settings.note(&format!(
            "kept from before, and needed by no release: {}; `landfall disk{} --prune --volumes` shows such volumes, asks, and \
             removes them",
            kept.join(", "),
            project.selection.argument()
        ));
    }
}
