//! `landfall pause` and `landfall unpause`: requests wait, and are let through. (`resume` is about transactions.)

use std::process::ExitCode;

use clap::Args;
use landfall_model::HoldLimits;
use landfall_model::api::RouteView;

use super::Words;
use crate::doors::{Turned, turn};
use crate::failure::Failure;
use crate::settings::Settings;

/// Arguments of `pause`.
#[derive(Debug, Args)]
pub(crate) struct Pause {
    #[command(flatten)]
    words: Words,
}

/// Arguments of `unpause`.
#[derive(Debug, Args)]
pub(crate) struct Unpause {
    #[command(flatten)]
    words: Words,
}

impl Pause {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        turn(settings, &self.words.words, Turned::Pause(true), paused)
    }
}

impl Unpause {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        turn(settings, &self.words.words, Turned::Pause(false), |route, _| unpaused(route))
    }
}

fn paused(route: &RouteView, hold: &HoldLimits) -> String {
    let RouteView { service, .. } = route;
    let HoldLimits { requests, time, .. } = hold;
    let wait = if route.maintenance { "; maintenance is on and comes first" } else { "" };
    format!("{service} is paused: up to {requests} requests wait, each at most {time}{wait}")
}

fn unpaused(route: &RouteView) -> String {
    let RouteView { service, url, .. } = route;
    if route.maintenance {
        return format!("{service} is no longer paused, and under maintenance");
    }
    format!("{service} goes on at {url}")
}
