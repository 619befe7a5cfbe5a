//! `landfall logs`: what instances print, merged by time; or the requests that were answered.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use landfall_targets::host::{Lines, LogQuery};
use landfall_view::Style;
use serde::Serialize;
use serde::de::DeserializeOwned;

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
    /// Shows the requests that were answered instead
    #[arg(long)]
    access: bool,
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
            if self.access {
                let lines = session.app().access(&query).await?;
                return show(settings, lines, |out, line, style| {
                    landfall_view::access_line(out, line, names, style)
                })
                .await;
            }
            let lines = session.app().logs(&query).await?;
            show(settings, lines, |out, line, style| landfall_view::log_line(out, line, names, style)).await
        })
    }
}

/// Shows lines as they come, until their end or until nobody reads any more.
async fn show<T: Serialize + DeserializeOwned>(
    settings: &Settings,
    mut lines: Lines<T>,
    view: impl Fn(&mut dyn Write, &T, &Style) -> io::Result<()>,
) -> Result<ExitCode, Failure> {
    loop {
        let Ok(next) = tokio::time::timeout(QUIET, lines.next()).await else {
            if nobody_reads() {
                return Err(Failure::ClosedPipe);
            }
            continue;
        };
        let Some(line) = next? else { return Ok(ExitCode::SUCCESS) };
        settings.show_noun(&line, |out, style| view(out, &line, style))?;
    }
}
