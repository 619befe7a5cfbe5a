//! `landfall metrics`: what the proxy counts, as Prometheus reads it.

use std::process::ExitCode;

use clap::Args;

use crate::failure::Failure;
use crate::session::{block_on, connect};
use crate::settings::Settings;

/// Arguments of `metrics`.
#[derive(Debug, Args)]
pub(crate) struct Metrics {}

impl Metrics {
    #[expect(clippy::unused_self, reason = "verbs are called alike")]
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let text = block_on(async {
            let (agent, _) = connect().await?;
            Ok(agent.metrics().await?)
        })?;
        settings.show(|out, _| out.write_all(text.as_bytes()))?;
        Ok(ExitCode::SUCCESS)
    }
}
