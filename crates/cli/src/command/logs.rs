//! `landfall logs`: what instances print, merged by time.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use landfall_targets::host::LogQuery;

use super::Words;
use crate::failure::Failure;
use crate::output::nobody_reads;
use crate::project::Project;
use crate::session::{Session, block_on};
use crate::settings::Settings;

/// How long no line may come before it is looked whether somebody still reads.
const QUIET: Duration = Duration::from_millis(500);

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    words: Words,
    /// Goes on with the lines to come
    #[arg(short, long)]
    follow: bool,
    /// At most so many of the newest lines
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    lines: u32,
}

impl Logs {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let project = Project::of_running(settings, &self.words.words)?;
        let names = project.services().map(|service| service.name.as_str().len()).max().unwrap_or_default();
        let query =
            LogQuery { services: project.selection.services.clone(), lines: self.lines, follow: self.follow };
        block_on(async {
            let session = Session::open(&project).await?;
            let mut lines = session.app().logs(&query).await?;
            loop {
                let Ok(next) = tokio::time::timeout(QUIET, lines.next()).await else {
                    if nobody_reads() {
                        return Err(Failure::ClosedPipe);
                    }
                    continue;
                };
                let Some(line) = next? else { return Ok(ExitCode::SUCCESS) };
                settings.show_noun(&line, |out, style| landfall_view::log_line(out, &line, names, style))?;
            }
        })
    }
}
