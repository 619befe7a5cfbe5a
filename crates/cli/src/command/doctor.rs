//! `landfall doctor`: looks at everything on this machine and says plainly what is good and what is not.

use std::process::ExitCode;

use clap::Args;
use landfall_model::{FaultKind, Grade};

use crate::doctor::{findings, look};
use crate::failure::Failure;
use crate::session::block_on;
use crate::settings::Settings;

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {}

impl Doctor {
    #[expect(clippy::unused_self, reason = "verbs are called alike")]
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let seen = block_on(look())?;
        let findings = findings(&seen);
        if settings.json {
            for finding in &findings {
                settings.show(|out, _| landfall_view::json(out, finding, false))?;
            }
        } else {
            settings.show(|out, style| landfall_view::findings(out, &findings, settings.detail, style))?;
        }
        match findings.iter().map(|finding| finding.grade).max() {
            Some(Grade::Bad) => Ok(ExitCode::from(FaultKind::NeedsPerson.exit_code())),
            _ => Ok(ExitCode::SUCCESS),
        }
    }
}
