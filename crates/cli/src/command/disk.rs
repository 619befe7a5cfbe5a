//! `landfall disk`: what takes what on the host, and taking away what nothing needs.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use landfall_model::Fault;
use landfall_model::api::{DiskView, Prune, VolumeId};

use super::Word;
use crate::confirm::confirm;
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
    /// With --prune: also volumes that no release needs, with all they hold; shows them and asks
    #[arg(long, requires = "prune")]
    volumes: bool,
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
        let place =
            project.as_ref().map(|project| (project.app().to_string(), project.environment().to_string()));
        let only = place.as_ref().map(|(app, environment)| (app.as_str(), environment.as_str()));
        if self.prune {
            let mut asked = Prune::default();
            if self.volumes {
                asked.volumes = confirmed(settings, &agent.disk().await?, only)?;
            }
            let pruned = agent.prune(&asked).await?;
            settings.show_noun(&pruned, |out, style| landfall_view::pruned(out, &pruned, style))?;
            return Ok(ExitCode::SUCCESS);
        }
        let view = agent.disk().await?;
        settings.show_noun(&view, |out, style| landfall_view::disk(out, &view, only, style))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The volumes of the shown place that no release needs, once a person agreed to lose them.
fn confirmed(
    settings: &Settings,
    view: &DiskView,
    only: Option<(&str, &str)>,
) -> Result<Vec<VolumeId>, Failure> {
    let idle = landfall_view::idle_volumes(view, only);
    if idle.is_empty() {
        return Ok(Vec::new());
    }
    let volumes: Vec<VolumeId> = idle.iter().filter_map(|entry| entry.idle_volume()).collect();
    if !settings.yes && !Settings::can_ask() {
        let names: Vec<String> = volumes.iter().map(VolumeId::to_string).collect();
        return Err(Fault::refused(format!("nobody is there to confirm removing {}", names.join(", ")))
            .help("`--yes` confirms it; what they hold cannot be brought back")
            .into());
    }
    let show = |err: &mut dyn Write| landfall_view::idle(err, &idle, &settings.error_style);
    confirm(settings, "Remove them, with all they hold?", show)?;
    Ok(volumes)
}
