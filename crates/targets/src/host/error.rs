//! Why a call came to nothing: nobody there, the connection lost under way, or the agent's own answer.

use std::io;

use landfall_model::{Blame, Fault, FaultKind, Retry};

/// A call that failed. The three differ in what is known: nothing was asked, it is not known, the agent said no.
#[derive(Debug)]
pub enum CallError {
    /// No agent answers; nothing was asked of it.
    Absent {
        /// Where it should be.
        place: String,
        /// What the system said.
        why: io::Error,
    },
    /// The connection broke, or the answer did not come in time; what was asked may have been done.
    Lost {
        /// The call.
        call: String,
        /// What was seen.
        why: String,
    },
    /// The agent's answer.
    Fault(Fault),
}

impl CallError {
    /// Whether no agent runs there, as opposed to one that cannot be reached.
    #[must_use]
    pub fn nobody_there(&self) -> bool {
        let absent = [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused];
        matches!(self, Self::Absent { why, .. } if absent.contains(&why.kind()))
    }

    pub(crate) fn lost(call: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self::Lost { call: call.into(), why: why.to_string() }
    }
}

impl From<CallError> for Fault {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Absent { place, why } => Self::new(
                FaultKind::Refused,
                Blame::Machine,
                Retry::Safe,
                format!("no agent answers on {place}: {why}"),
            )
            .help("`landfall status` starts one; `agent.log` beside the socket says why the last one ended"),
            CallError::Lost { call, why } => Self::new(
                FaultKind::Internal,
                Blame::Machine,
                Retry::Safe,
                format!("the connection to the agent broke during `{call}`: {why}"),
            )
            .help("`landfall status` shows what is true now; `agent.log` in the state folder what the agent saw"),
            CallError::Fault(fault) => fault,
        }
    }
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent { place, why } => write!(f, "no agent answers on {place}: {why}"),
            Self::Lost { call, why } => write!(f, "the connection broke during `{call}`: {why}"),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for CallError {}
