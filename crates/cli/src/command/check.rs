//! `landfall check`: everything that is wrong with the manifest, in every environment that it declares.

use std::process::ExitCode;

use clap::Args;
use landfall_model::{Diagnostic, EnvironmentName};
use serde_json::json;

use super::Word;
use crate::failure::Failure;
use crate::project;
use crate::select::{DEFAULT, Selection};
use crate::settings::Settings;

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    word: Word,
}

impl Check {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let file = project::find(&settings.folder)?;
        let text = project::read(&file)?;
        let declared = landfall_manifest::environments(&text);
        let checked = match self.word.environment {
            Some(word) => vec![Selection::environment(&word, &declared)?],
            None => environments(&declared),
        };
        let mut problems: Vec<Diagnostic> = Vec::new();
        let mut warnings: Vec<Diagnostic> = Vec::new();
        for environment in &checked {
            let (into, found) = match project::load(&file, &text, environment) {
                Ok(loaded) => (&mut warnings, loaded.warnings),
                Err(Failure::Diagnostics(found)) => (&mut problems, found),
                Err(other) => return Err(other),
            };
            // What is wrong in every environment is told once.
            for diagnostic in found {
                if !into.contains(&diagnostic) {
                    into.push(diagnostic);
                }
            }
        }
        if !problems.is_empty() {
            return Err(Failure::Diagnostics(problems));
        }
        settings.warn(&warnings);
        let names: Vec<&str> = checked.iter().map(EnvironmentName::as_str).collect();
        let noun = json!({ "file": file, "environments": names, "problems": 0 });
        settings
            .show_noun(&noun, |out, _| writeln!(out, "{} is right ({})", file.display(), names.join(", ")))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The environments that can be deployed to: those declared, or the default one when none is. One whose name is wrong
/// is a problem that every other one shows as well.
fn environments(declared: &[String]) -> Vec<EnvironmentName> {
    let named: Vec<EnvironmentName> = declared.iter().filter_map(|name| name.parse().ok()).collect();
    if named.is_empty() { vec![DEFAULT.parse().expect("`dev` is a name")] } else { named }
}
