//! `landfall maintenance`: requests get the maintenance page, or are served again.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use landfall_model::api::RouteView;

use super::Words;
use crate::doors::{Turned, turn};
use crate::failure::Failure;
use crate::settings::Settings;

/// Arguments of `maintenance`.
#[derive(Debug, Args)]
pub(crate) struct Maintenance {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Answers requests with 503 and the maintenance page, until it is turned off
    On(Words),
    /// Serves requests again
    Off(Words),
}

impl Maintenance {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let (words, on) = match self.what {
            What::On(words) => (words, true),
            What::Off(words) => (words, false),
        };
        turn(settings, &words.words, Turned::Maintenance(on), |route, _| said(route))
    }
}

fn said(route: &RouteView) -> String {
    let RouteView { service, url, .. } = route;
    match (route.maintenance, route.paused) {
        (true, _) => format!("{service} is under maintenance: {url} answers 503 with its page"),
        (false, true) => {
            format!("{service} is no longer under maintenance, and paused: `landfall unpause` ends that")
        }
        (false, false) => format!("{service} serves again at {url}"),
    }
}
