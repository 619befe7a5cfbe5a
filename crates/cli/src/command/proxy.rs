//! `landfall proxy run`: the data plane, a process of its own.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use landfall_model::{Blame, Fault, FaultKind, Retry};

use crate::failure::Failure;
use crate::settings::Settings;

/// Arguments of `proxy`.
#[derive(Debug, Args)]
pub(crate) struct Proxy {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Runs the proxy of this state folder, until it is stopped
    Run {
        /// Threads that serve requests; a few more than processors are of no use
        #[arg(long, value_name = "N")]
        workers: Option<usize>,
    },
}

impl Proxy {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let What::Run { workers } = self.what;
        let state = Settings::state()?;
        let options = landfall_proxy::Options {
            control: state.proxy_socket(),
            config: state.proxy_config(),
            workers: workers.unwrap_or_default(),
        };
        landfall_proxy::run(&options).map_err(|error| {
            let message = format!("the proxy ended: {error}");
            Fault::new(FaultKind::Refused, Blame::Machine, Retry::AfterFix, message)
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
