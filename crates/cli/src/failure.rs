//! Why a command did not do what it was asked, and how that is drawn.

use std::io;
use std::process::ExitCode;

use landfall_fx::StateDirError;
use landfall_model::{Blame, Diagnostic, Fault, FaultKind, Retry, Severity};
use landfall_targets::host::CallError;
use landfall_view::Style;

use crate::settings::Settings;

/// What ends a command early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An expected failure.
    Fault(Box<Fault>),
    /// Problems in what the user wrote, each with its place.
    Diagnostics(Vec<Diagnostic>),
    /// It was drawn already; this is the exit code.
    Drawn(FaultKind),
    /// Nobody reads the output any more: no failure of anyone.
    ClosedPipe,
}

impl Failure {
    /// Draws it where it belongs (standard error, or standard output as JSON) and gives the exit code.
    pub(crate) fn draw(self, settings: &Settings) -> ExitCode {
        let kind = self.kind();
        // That nobody reads the error changes nothing about the exit code.
        let _ = match self {
            Self::Fault(fault) if settings.json => {
                landfall_view::json_line(&mut io::stdout().lock(), "fault", &*fault)
            }
            Self::Fault(fault) => {
                landfall_view::fault(&mut io::stderr().lock(), &fault, &settings.error_style)
            }
            Self::Diagnostics(all) if settings.json => {
                landfall_view::json_diagnostics(&mut io::stdout().lock(), &all)
            }
            Self::Diagnostics(all) => {
                landfall_view::diagnostics(&mut io::stderr().lock(), &all, &settings.error_style)
            }
            Self::Drawn(_) | Self::ClosedPipe => Ok(()),
        };
        ExitCode::from(kind.map_or(0, FaultKind::exit_code))
    }

    /// The same before there are settings.
    pub(crate) fn draw_plainly(self) -> ExitCode {
        let kind = self.kind();
        if let Self::Fault(fault) = self {
            // As above.
            let _ = landfall_view::fault(&mut io::stderr().lock(), &fault, &Style::plain());
        }
        ExitCode::from(kind.map_or(0, FaultKind::exit_code))
    }

    fn kind(&self) -> Option<FaultKind> {
        match self {
            Self::Fault(fault) => Some(fault.kind),
            Self::Diagnostics(all) if all.iter().any(|one| one.severity == Severity::Error) => {
                Some(FaultKind::Usage)
            }
            Self::Diagnostics(_) => Some(FaultKind::Refused),
            Self::Drawn(kind) => Some(*kind),
            Self::ClosedPipe => None,
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(Box::new(fault))
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Fault::from(error).into()
    }
}

impl From<Vec<Diagnostic>> for Failure {
    fn from(diagnostics: Vec<Diagnostic>) -> Self {
        Self::Diagnostics(diagnostics)
    }
}

impl From<StateDirError> for Failure {
    fn from(error: StateDirError) -> Self {
        Fault::new(FaultKind::Refused, Blame::Machine, Retry::AfterFix, error.to_string())
            .help("the state folder is LANDFALL_STATE, else $XDG_STATE_HOME/landfall, else ~/.local/state/landfall")
            .into()
    }
}

/// A failure of writing to the reader: a closed pipe is none.
pub(crate) fn of_output(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::ClosedPipe;
    }
    Fault::new(
        FaultKind::Internal,
        Blame::Machine,
        Retry::Safe,
        format!("the output cannot be written: {error}"),
    )
    .into()
}
