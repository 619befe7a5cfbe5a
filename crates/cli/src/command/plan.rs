//! `landfall plan`: what a deploy would do.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use landfall_fx::{Files as _, RealFiles};
use landfall_model::Fault;

use super::Words;
use crate::failure::Failure;
use crate::gather::Gathered;
use crate::project::Project;
use crate::session::block_on;
use crate::settings::Settings;
use crate::settle;

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    words: Words,
    /// Writes the plan to FILE, for `landfall deploy --plan FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Plan {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let project = Project::open(settings, &self.words.words)?;
        let plan = block_on(async {
            let gathered = Gathered::for_project(settings, &project).await?;
            if let Some(open) = &gathered.observed.open {
                settle::show(settings, project.environment(), open);
            }
            let desired = gathered.desired(&project, gathered.stamp());
            Ok(landfall_plan::deploy(&desired, &gathered.observed)?)
        })?;
        if let Some(file) = &self.out {
            write(&settings.folder.join(file), &plan)?;
        }
        settings.show_noun(&plan, |out, style| landfall_view::plan(out, &plan, style))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn write(file: &Path, plan: &landfall_model::Plan) -> Result<(), Fault> {
    let refused = |error: &dyn std::fmt::Display| {
        Fault::refused(format!("the plan cannot be written to {}: {error}", file.display()))
    };
    let mut text = serde_json::to_vec_pretty(plan).map_err(|error| refused(&error))?;
    text.push(b'\n');
    RealFiles.replace(file, &text).map_err(|error| refused(&error))
}
