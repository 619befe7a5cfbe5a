//! `landfall trust`: this machine's clients believe the host's own authority, or forget it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use landfall_fx::{RealFiles, SystemClock};
use landfall_model::FaultKind;
use landfall_tls::{Authority, Outcome, Store, Trust as Stores};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::settings::{Settings, variable};

/// Arguments of `trust`.
#[derive(Debug, Args)]
pub(crate) struct Trust {
    /// Makes them forget it again
    #[arg(long, conflicts_with = "path")]
    remove: bool,
    /// Only prints where its certificate is, as `curl --cacert` takes it
    #[arg(long)]
    path: bool,
    /// Where the file system begins
    #[arg(long, hide = true, default_value = "/")]
    root: PathBuf,
}

impl Trust {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let state = Settings::state()?;
        let authority = if self.remove {
            let Some(authority) = Authority::existing(&state.tls())? else {
                let nothing = json!({ "outcome": "unchanged", "why": "there is no authority" });
                settings.show_noun(&nothing, |out, _| writeln!(out, "there is no authority to forget"))?;
                return Ok(ExitCode::SUCCESS);
            };
            authority
        } else {
            Authority::open(&state.tls(), &RealFiles, Settings::now())?
        };
        if self.path {
            settings.line(&authority.path().display().to_string())?;
            return Ok(ExitCode::SUCCESS);
        }
        let clock = SystemClock::new();
        let stores = Stores { root: self.root, home: variable("HOME").map(PathBuf::from), clock: &clock };
        let done = if self.remove { stores.uninstall(&authority) } else { stores.install(&authority) };
        for store in &done {
            settings.show_noun(&as_json(store), |out, _| writeln!(out, "{}", said(store, self.remove)))?;
        }
        if done.iter().any(|store| matches!(store.outcome, Outcome::Needs { .. })) {
            return Ok(ExitCode::from(FaultKind::NeedsPerson.exit_code()));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What became of a store, and below it what was run or is to be run.
fn said(store: &Store, remove: bool) -> String {
    let name = &store.name;
    let (first, lines) = match (&store.outcome, remove) {
        (Outcome::Changed(lines), false) => (format!("{name} believes the authority now:"), lines.as_slice()),
        (Outcome::Changed(lines), true) => (format!("{name} has forgotten the authority:"), lines.as_slice()),
        (Outcome::Unchanged, false) => (format!("{name} believes the authority already"), &[][..]),
        (Outcome::Unchanged, true) => (format!("{name} does not know the authority"), &[][..]),
        (Outcome::Needs { why, run }, _) => (format!("{name}: {why}; run"), run.as_slice()),
    };
    lines.iter().fold(first, |text, line| format!("{text}\n  {line}"))
}

fn as_json(store: &Store) -> Value {
    match &store.outcome {
        Outcome::Changed(done) => json!({ "store": store.name, "outcome": "changed", "done": done }),
        Outcome::Unchanged => json!({ "store": store.name, "outcome": "unchanged" }),
        Outcome::Needs { why, run } => {
            json!({ "store": store.name, "outcome": "needs-person", "why": why, "run": run })
        }
    }
}
