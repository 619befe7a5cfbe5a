//! What the command line and the process's surroundings come to: where to look, how to show, whom to ask.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use landfall_fx::{Clock as _, StateDir, SystemClock};
use landfall_model::{Fault, Timestamp};
use landfall_view::{Detail, Kind, Style};

use crate::arguments::Global;
use crate::failure::Failure;

/// Columns where the width is not known.
const WIDTH: usize = 100;

/// Settings of every command.
pub(crate) struct Settings {
    /// Where `landfall.toml` is looked for; absolute.
    pub(crate) folder: PathBuf,
    /// Whether the output is JSON.
    pub(crate) json: bool,
    /// How much is shown.
    pub(crate) detail: Detail,
    /// Whether every question is answered with yes.
    pub(crate) yes: bool,
    /// How standard output looks.
    pub(crate) style: Style,
    /// How standard error looks.
    pub(crate) error_style: Style,
}

impl Settings {
    /// Looks around.
    ///
    /// # Errors
    /// When `-C` names no folder, or there is no current one.
    pub(crate) fn new(global: Global) -> Result<Self, Failure> {
        let given = global.directory.unwrap_or_else(|| PathBuf::from("."));
        let folder = given.canonicalize().ok().filter(|folder| folder.is_dir()).ok_or_else(|| {
            Fault::usage(format!("{} is not a folder that can be entered", given.display()))
                .help("`-C DIR` names the folder to work in")
        })?;
        let detail = match (global.quiet, global.verbose) {
            (true, _) => Detail::Quiet,
            (_, true) => Detail::Verbose,
            _ => Detail::Normal,
        };
        let unicode = speaks_unicode();
        let color = |choice| choice != anstream::ColorChoice::Never;
        Ok(Self {
            folder,
            json: global.json,
            detail,
            yes: global.yes,
            style: Style {
                color: color(anstream::AutoStream::choice(&io::stdout())),
                width: width(&io::stdout()),
                unicode,
            },
            error_style: Style {
                color: color(anstream::AutoStream::choice(&io::stderr())),
                width: width(&io::stderr()),
                unicode,
            },
        })
    }

    /// How events are shown.
    pub(crate) fn reporter_kind(&self) -> Kind {
        match (self.json, io::stdout().is_terminal()) {
            (true, _) => Kind::Json,
            (_, true) => Kind::Terminal,
            _ => Kind::Plain,
        }
    }

    /// Whether somebody is there who can answer a question.
    pub(crate) fn can_ask() -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// The state folder of this machine, made if it is not there.
    pub(crate) fn state() -> Result<StateDir, Failure> {
        Ok(StateDir::from_environment(variable)?)
    }

    /// This very program.
    pub(crate) fn program() -> Result<PathBuf, Failure> {
        std::env::current_exe().map_err(|error| {
            Fault::internal(format!("the program's own file cannot be found: {error}")).into()
        })
    }

    /// The moment, by the wall clock.
    pub(crate) fn now() -> Timestamp {
        SystemClock::new().now()
    }

    /// Who asks, for the deploy lock: `anna@laptop`.
    pub(crate) fn holder() -> String {
        let user = variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(|| {
            let id = rustix::process::getuid().as_raw().to_string();
            named(&id).unwrap_or(id)
        });
        let host = rustix::system::uname();
        format!("{user}@{}", host.nodename().to_string_lossy())
    }
}

/// A variable of the process environment; one that is not UTF-8 counts as not there.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The name of a user, from the machine's own list (`passwd(5)`: name, password, number …).
fn named(id: &str) -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let user = users.lines().find(|line| line.split(':').nth(2) == Some(id))?;
    user.split(':').next().map(str::to_owned)
}

fn width(stream: &impl rustix::fd::AsFd) -> usize {
    let columns = rustix::termios::tcgetwinsize(stream).ok().map(|size| usize::from(size.ws_col));
    let said = || variable("COLUMNS").and_then(|text| text.parse().ok());
    columns.filter(|columns| *columns > 0).or_else(said).unwrap_or(WIDTH)
}

/// Whether the locale's characters are UTF-8: the first of the three variables that is set decides, `locale(7)`.
fn speaks_unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable).unwrap_or_default();
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}
