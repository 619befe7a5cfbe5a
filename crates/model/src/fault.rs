//! Expected failures: what happened, whose fault it is, whether trying again is safe, what to do.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Autopsy;

/// The kind of a failure decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// A fault of Landfall's own: 1.
    Internal,
    /// Usage or manifest: 2.
    Usage,
    /// Refused before anything happened: 3.
    Refused,
    /// The deploy failed and the old release serves: 4.
    Failed,
    /// It needs a person: 5.
    NeedsPerson,
    /// Interrupted, journal intact: 130.
    Interrupted,
}

impl FaultKind {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Failed => 4,
            Self::NeedsPerson => 5,
            Self::Interrupted => 130,
        }
    }
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// The manifest or the command line.
    User,
    /// The application that is deployed.
    Application,
    /// The machine: disk, memory, permissions, ports.
    Machine,
    /// Landfall itself.
    Landfall,
}

/// Whether trying again is safe and of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// Safe, and may work as it is.
    Safe,
    /// Safe, and of use once what `help` says is done.
    AfterFix,
    /// Not before a person looked.
    Unsafe,
}

/// A failure as it is shown, stored and sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Fault {
    /// Decides the exit code.
    pub kind: FaultKind,
    /// Whose it is.
    pub blame: Blame,
    /// Whether trying again is safe.
    pub retry: Retry,
    /// What happened and where, one sentence without a full stop.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// What was found out about an instance that failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub autopsy: Option<Box<Autopsy>>,
}

impl Fault {
    /// A fault of Landfall's own.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Internal, Blame::Landfall, Retry::Safe, message)
    }

    /// Usage or manifest.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Usage, Blame::User, Retry::AfterFix, message)
    }

    /// Refused before anything happened.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Refused, Blame::User, Retry::AfterFix, message)
    }

    /// The application's own failure: a build, a test, a boot.
    pub fn application(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Failed, Blame::Application, Retry::AfterFix, message)
    }

    /// The machine's failure: disk, memory, permissions, ports.
    pub fn machine(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Failed, Blame::Machine, Retry::AfterFix, message)
    }

    /// A fault of this kind.
    pub fn new(kind: FaultKind, blame: Blame, retry: Retry, message: impl Into<String>) -> Self {
        Self { kind, blame, retry, message: message.into(), help: None, autopsy: None }
    }

    /// The same, with what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, with an autopsy.
    #[must_use]
    pub fn autopsy(mut self, autopsy: Autopsy) -> Self {
        self.autopsy = Some(Box::new(autopsy));
        self
    }

    /// The same, of another kind.
    #[must_use]
    pub fn kind(mut self, kind: FaultKind) -> Self {
        self.kind = kind;
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}
