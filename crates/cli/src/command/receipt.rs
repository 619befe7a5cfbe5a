//! `landfall receipt`: the proof after the fact.

use std::process::ExitCode;

use clap::Args;
use landfall_model::{Fault, Version};

use crate::failure::Failure;
use crate::project::Project;
use crate::session::{Session, block_on};
use crate::settings::Settings;

/// Arguments of `receipt`.
#[derive(Debug, Args)]
pub(crate) struct Receipt {
    /// An environment (`dev` when left out), a service (all when left out), a version (the newest transaction's when
    /// left out)
    #[arg(value_name = "ENVIRONMENT|SERVICE|VERSION")]
    words: Vec<String>,
}

impl Receipt {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let (versions, words): (Vec<String>, Vec<String>) =
            self.words.into_iter().partition(|word| word.parse::<Version>().is_ok());
        if versions.len() > 1 {
            return Err(Fault::usage("receipts are shown of one version at a time").into());
        }
        let version: Option<Version> = versions.first().and_then(|word| word.parse().ok());
        let project = Project::of_running(settings, &words)?;
        let mut receipts = block_on(async {
            let session = Session::open(&project).await?;
            Ok(session.app().receipts(version.as_ref(), None).await?)
        })?;
        receipts.retain(|receipt| project.selection.includes(&receipt.service));
        if receipts.is_empty() {
            let environment = project.environment();
            let what = version.map_or_else(|| "anything".to_owned(), |version| version.to_string());
            return Err(Fault::refused(format!("there is no receipt of {what} in {environment}"))
                .help(format!("`landfall history {environment}` lists what there was"))
                .into());
        }
        if settings.json {
            for receipt in &receipts {
                settings.show(|out, _| landfall_view::json(out, receipt, false))?;
            }
        } else {
            settings.show(|out, style| landfall_view::receipt(out, &receipts, style))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
