//! Why a proxy does not run, and why a call to one came to nothing.

use std::io;
use std::path::PathBuf;

use landfall_model::{Blame, Fault, FaultKind, Retry};

/// Why [`crate::run`] ended, or never began.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another proxy holds the control socket.
    #[error("a proxy already runs on {}", control.display())]
    AlreadyRunning {
        /// The socket.
        control: PathBuf,
    },
    /// The proxy that runs does not hand over; it serves as before.
    #[error("the running proxy does not hand over, and goes on serving: {why}")]
    Takeover {
        /// Why.
        why: String,
    },
    /// The file of routes is of a newer Landfall; it is left alone.
    #[error("{} has format {found}, and this Landfall reads only up to format {known}", config.display())]
    NewerFormat {
        /// The file.
        config: PathBuf,
        /// Its format.
        found: u64,
        /// The newest that is known.
        known: u64,
    },
    /// The system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// Wraps what the system said about `what`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::AlreadyRunning { .. } => Self::refused(message).help("stop it first, or use it"),
            Error::NewerFormat { .. } => Self::refused(message).help("use the newer Landfall that wrote it"),
            Error::Takeover { .. } => Self::machine(message).help("trying again is safe"),
            Error::Io { .. } => Self::machine(message),
        }
    }
}

/// Why a call of [`crate::Client`] came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No proxy answers on the socket. Trying again is safe.
    #[error("no proxy answers on {}: {source}", socket.display())]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The proxy said no, and nothing was changed.
    #[error("the proxy refused with {status}: {message}")]
    Refused {
        /// 400: the call is wrong; 404: no such route; 409: a clash of routes, or something that a route wants is not
        /// there; 500: the machine (a full disk).
        status: u16,
        /// Why.
        message: String,
    },
    /// Somebody else listens on an address that a route wants, and nothing was changed.
    #[error("{message}")]
    AddressInUse {
        /// The address and, where visible, who holds it.
        message: String,
    },
    /// The connection broke, or what came back made no sense. Whether the call was done is not known; every call can be
    /// made again.
    #[error("the proxy's answer on {} broke off or made no sense: {why}", socket.display())]
    Broken {
        /// The socket.
        socket: PathBuf,
        /// What was wrong.
        why: String,
    },
}

impl From<ClientError> for Fault {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::Refused { status: 400 | 404, .. } => Self::internal(message),
            ClientError::Refused { status: 409, message, .. } => Self::refused(message),
            ClientError::Refused { .. } | ClientError::AddressInUse { .. } => Self::machine(message),
            ClientError::Unreachable { .. } | ClientError::Broken { .. } => {
                Self::new(FaultKind::Internal, Blame::Landfall, Retry::Safe, message)
            }
        }
    }
}
