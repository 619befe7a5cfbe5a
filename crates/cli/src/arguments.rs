//! What was typed: the words of the command line, before anything is looked up.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser};
use landfall_model::FaultKind;

use crate::command::Verb;
use crate::failure::Failure;
use crate::settings::Settings;

/// What is written below the help of `landfall` itself.
const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    a fault of Landfall's own
  2    usage, or the manifest
  3    refused before anything happened (deploy lock, stale plan, missing secret)
  4    the deploy failed, and the old release serves
  5    it needs a person: what, where, and the command to give are printed
  130  interrupted; the journal is intact

The environment may be left out: it is `dev` then. A first word that names both
an environment and a service is the environment.";

/// Deploys what `landfall.toml` says, and proves that it serves.
#[derive(Debug, Parser)]
#[command(name = "landfall", version, after_help = EXIT_CODES, propagate_version = false)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Works as if started in DIR; `landfall.toml` is looked for there and in the folders above
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true)]
    pub(crate) directory: Option<PathBuf>,
    /// Prints JSON, one object a line; receipts come last
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Says only how it ended
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Shows all that builds, tests and dependencies print
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Answers yes to every question
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,
}

/// Parses the command line, does what it says, draws what went wrong, and gives the exit code.
pub(crate) fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { FaultKind::Usage.exit_code() } else { 0 };
            // Help and usage into a closed pipe: nobody reads, nobody is told.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let settings = match Settings::new(arguments.global) {
        Ok(settings) => settings,
        Err(failure) => return failure.draw_plainly(),
    };
    match arguments.verb.run(&settings) {
        Ok(code) => code,
        Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(failure) => failure.draw(&settings),
    }
}

/// The whole command line as data, for completions and manual pages.
pub(crate) fn definition() -> clap::Command {
    Arguments::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }
}
