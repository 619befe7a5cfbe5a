//! `landfall deploy`: makes what the manifest says true.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use landfall_model::{Event, Fault, Observed, Outcome, Plan, Stamped};
use landfall_plan::Desired;

use super::Words;
use crate::apply::{Cargo, apply};
use crate::failure::{Failure, of_output};
use crate::gather::{Gathered, Stamp};
use crate::project::Project;
use crate::session::block_on;
use crate::settings::Settings;
use crate::{settle, stale};

/// The largest plan file that is read, in bytes.
const MAX_PLAN: u64 = 64 * 1024 * 1024;

/// Arguments of `deploy`.
#[derive(Debug, Args)]
pub(crate) struct Deploy {
    #[command(flatten)]
    words: Words,
    /// Applies exactly the plan in FILE, or refuses when anything it rests on has moved
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
}

impl Deploy {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let project = Project::open(settings, &self.words.words)?;
        let saved = self.plan.as_ref().map(|file| read(&settings.folder.join(file))).transpose()?;
        if let Some(plan) = &saved {
            stale::check_file(plan, (project.app().as_str(), project.environment().as_str()))?;
        }
        block_on(deploy(settings, &project, saved))
    }
}

async fn deploy(settings: &Settings, project: &Project, saved: Option<Plan>) -> Result<ExitCode, Failure> {
    let mut gathered = Gathered::for_project(settings, project).await?;
    gathered.observed = settle::settle(settings, &gathered.session, gathered.observed).await?;
    let plan = match saved {
        Some(plan) => {
            let stamp = Stamp { version: plan.version.clone(), created: Settings::now() };
            as_shown(plan, &gathered.desired(project, stamp), &gathered.observed)?
        }
        None => landfall_plan::deploy(&gathered.desired(project, gathered.stamp()), &gathered.observed)?,
    };
    if plan.is_empty() {
        return unchanged(settings, &plan);
    }
    let Gathered { session, values, bundles, .. } = gathered;
    apply(settings, &session, plan, Cargo { bundles, values }).await
}

/// The saved plan, if it is still what it was.
fn as_shown(plan: Plan, desired: &Desired, observed: &Observed) -> Result<Plan, Fault> {
    stale::check_world(&plan, desired, observed)?;
    Ok(plan)
}

/// Says that there is nothing to do.
pub(super) fn unchanged(settings: &Settings, plan: &Plan) -> Result<ExitCode, Failure> {
    if !settings.json {
        settings.show(|out, style| landfall_view::plan(out, plan, style))?;
        return Ok(ExitCode::SUCCESS);
    }
    let event = Event::Ended { outcome: Outcome::Unchanged, receipts: Vec::new(), fault: None };
    let mut reporter = landfall_view::reporter(
        settings.reporter_kind(),
        settings.detail,
        Box::new(io::stdout()),
        settings.style,
    );
    let shown = reporter.event(&Stamped { seq: 1, at: Settings::now(), event });
    shown.and_then(|()| reporter.finish()).map_err(|error| of_output(&error))?;
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> Result<Plan, Fault> {
    let wrong = |why: &dyn std::fmt::Display| {
        Fault::usage(format!("{} is no plan: {why}", file.display()))
            .help("`landfall plan --out FILE` writes one")
    };
    let facts = std::fs::metadata(file).map_err(|error| wrong(&error))?;
    if facts.len() > MAX_PLAN {
        return Err(wrong(&"it is larger than 64 MiB"));
    }
    let bytes = std::fs::read(file).map_err(|error| wrong(&error))?;
    serde_json::from_slice(&bytes).map_err(|error| wrong(&error))
}
