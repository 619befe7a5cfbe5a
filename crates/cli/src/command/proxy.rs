//! `landfall proxy run`: the data plane, a process of its own.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use landfall_model::{Blame, Fault, FaultKind, Retry};

use crate::failure::Failure;
use crate::settings::{Settings, variable};

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
        /// Also gives metrics to a Prometheus server, on `GET /metrics` of this address; anyone who can connect may read.
        /// Without it the variable `LANDFALL_METRICS`
        #[arg(long, value_name = "ADDRESS")]
        metrics: Option<std::net::SocketAddr>,
        /// Takes the place of the proxy that runs, without closing a socket
        #[arg(long)]
        takeover: bool,
        /// How long requests, websockets and streams may go on once another proxy has taken over
        #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
        drain: u64,
    },
}

impl Proxy {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let What::Run { workers, metrics, takeover, drain } = self.what;
        let state = Settings::state()?;
        let metrics = metrics.or_else(|| variable("LANDFALL_METRICS")?.parse().ok());
        let options = landfall_proxy::Options {
            workers: workers.unwrap_or_default(),
            log: Some(landfall_proxy::LogOptions::new(state.proxy_access_log())),
            metrics,
            tls: state.tls(),
            takeover,
            drain: std::time::Duration::from_secs(drain),
            ..landfall_proxy::Options::new(state.proxy_socket(), state.proxy_config())
        };
        crate::unjudged::watch(state, Settings::program()?);
        landfall_proxy::run(&options).map_err(|error| {
            let message = format!("the proxy ended: {error}");
            Fault::new(FaultKind::Refused, Blame::Machine, Retry::AfterFix, message)
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
