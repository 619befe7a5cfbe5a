//! The verbs, a file each.

mod agent;
mod build;
mod check;
mod completions;
mod deploy;
mod disk;
mod doctor;
mod down;
mod exec;
mod history;
mod init;
mod logs;
mod maintenance;
mod man;
mod metrics;
mod openapi;
mod pause;
mod plan;
mod promote;
mod proxy;
mod receipt;
mod resume;
mod rollback;
mod schema;
mod shim;
mod status;
mod trust;
mod undo;
mod version;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::elsewhere;
use crate::failure::Failure;
use crate::settings::Settings;

/// How `exec` and `run` are used: the command stands behind `--`, or it is asked for.
const EXEC: &str = "landfall exec [OPTIONS] [ENVIRONMENT] [SERVICE] -- <COMMAND>...";
const RUN: &str = "landfall run [OPTIONS] [ENVIRONMENT] [SERVICE] -- <COMMAND>...";

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Looks at a folder and writes a commented `landfall.toml` for it
    Init(init::Init),
    /// Says everything that is wrong with the manifest
    Check(check::Check),
    /// Prints the JSON Schema of the manifest
    Schema(schema::Schema),
    /// Shows what a deploy would do, and changes nothing
    Plan(plan::Plan),
    /// Prints the Dockerfile that an image is made by
    Build(build::Build),
    /// Makes what the manifest says true, and proves it
    Deploy(deploy::Deploy),
    /// Makes an earlier release serve again
    Rollback(rollback::Rollback),
    /// Ends the judging of a canary: the new release gets all requests
    Promote(promote::Promote),
    /// Ends a canary: the new release is taken back
    Abort(promote::Abort),
    /// Finishes a transaction that was interrupted, or watches one that runs
    Resume(resume::Resume),
    /// Takes a transaction back that was interrupted
    Undo(undo::Undo),
    /// Shows what runs and who gets the requests
    Status(status::Status),
    /// Prints what instances print, merged by time
    Logs(logs::Logs),
    /// Prints what the proxy counts, as Prometheus reads it
    Metrics(metrics::Metrics),
    /// Runs a command in the environment of a service, beside what runs
    #[command(override_usage = EXEC)]
    Exec(exec::Exec),
    /// Runs a command in an instance of its own, which goes with it
    #[command(override_usage = RUN)]
    Run(exec::Exec),
    /// Lists transactions, newest first
    History(history::History),
    /// Shows the receipts of a version, or of the newest transaction
    Receipt(receipt::Receipt),
    /// Says which version the source is, or raises it
    Version(version::Version),
    /// Answers requests with the maintenance page, or serves them again
    Maintenance(maintenance::Maintenance),
    /// Makes requests wait
    Pause(pause::Pause),
    /// Lets requests through that wait for it
    Unpause(pause::Unpause),
    /// Shows what takes what on this machine, and takes away what nothing needs
    Disk(disk::Disk),
    /// Takes services away
    Down(down::Down),
    /// Looks at everything on this machine and says what is not as it should be
    Doctor(doctor::Doctor),
    /// Makes this machine's clients believe the authority behind `tls = "internal"`
    Trust(trust::Trust),
    /// Runs, shows or stops the agent of this machine
    Agent(agent::Agent),
    /// The data plane; the agent starts it
    #[command(hide = true)]
    Proxy(proxy::Proxy),
    /// The supervisor of one instance; the agent starts it
    #[command(hide = true)]
    Shim(shim::Shim),
    /// Prints the description of the agent's API
    Openapi(openapi::Openapi),
    /// Prints completions for a shell
    Completions(completions::Completions),
    /// Prints the manual page, or writes all of them to a folder
    Man(man::Man),
    /// None of these
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

/// `[ENVIRONMENT] [SERVICE…]`, behind most verbs.
#[derive(Debug, Args)]
pub(crate) struct Words {
    /// An environment (`dev` when left out), then services (all when left out)
    #[arg(value_name = "ENVIRONMENT|SERVICE")]
    pub(crate) words: Vec<String>,
}

/// `[ENVIRONMENT]`, behind verbs that are about all its services.
#[derive(Debug, Args)]
pub(crate) struct Word {
    /// The environment; `dev` when left out
    #[arg(value_name = "ENVIRONMENT")]
    pub(crate) environment: Option<String>,
}

impl Verb {
    /// Does it.
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        match self {
            Self::Init(it) => it.run(settings),
            Self::Check(it) => it.run(settings),
            Self::Schema(it) => it.run(settings),
            Self::Plan(it) => it.run(settings),
            Self::Build(it) => it.run(settings),
            Self::Deploy(it) => it.run(settings),
            Self::Rollback(it) => it.run(settings),
            Self::Promote(it) => it.run(settings),
            Self::Abort(it) => it.run(settings),
            Self::Resume(it) => it.run(settings),
            Self::Undo(it) => it.run(settings),
            Self::Status(it) => it.run(settings),
            Self::Logs(it) => it.run(settings),
            Self::Metrics(it) => it.run(settings),
            Self::Exec(it) => it.beside(settings),
            Self::Run(it) => it.alone(settings),
            Self::History(it) => it.run(settings),
            Self::Receipt(it) => it.run(settings),
            Self::Version(it) => it.run(settings),
            Self::Maintenance(it) => it.run(settings),
            Self::Pause(it) => it.run(settings),
            Self::Unpause(it) => it.run(settings),
            Self::Disk(it) => it.run(settings),
            Self::Down(it) => it.run(settings),
            Self::Doctor(it) => it.run(settings),
            Self::Trust(it) => it.run(settings),
            Self::Agent(it) => it.run(settings),
            Self::Proxy(it) => it.run(),
            Self::Shim(it) => Ok(it.run()),
            Self::Openapi(it) => it.run(settings),
            Self::Completions(it) => it.run(settings),
            Self::Man(it) => it.run(settings),
            Self::Unknown(words) => Err(elsewhere::unknown(&words).into()),
        }
    }
}
