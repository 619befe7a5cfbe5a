//! `landfall logs`: what instances print, merged by time.

use std::process::ExitCode;

use clap::Args;
use landfall_targets::host::LogQuery;

use super::Words;
use crate::failure::Failure;
use crate::project::Project;
use crate::session::{Session, block_on};
use crate::settings::Settings;

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
        let project = Project::open(settings, &self.words.words)?;
        let names = project.services().map(|service| service.name.as_str().len()).max().unwrap_or_default();
        let query =
            LogQuery { services: project.selection.services.clone(), lines: self.lines, follow: self.follow };
        block_on(async {
            let session = Session::open(&project).await?;
            let mut lines = session.app().logs(&query).await?;
            while let Some(line) = lines.next().await? {
                settings.show_noun(&line, |out, style| landfall_view::log_line(out, &line, names, style))?;
            }
            Ok(ExitCode::SUCCESS)
        })
    }
}
