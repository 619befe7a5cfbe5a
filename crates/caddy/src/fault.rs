//! What goes wrong with a Caddy, for people.

use std::io;
use std::path::PathBuf;

use landfall_model::{Fault, FaultKind};

/// Why a Caddy does not do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum CaddyError {
    /// Nobody answers on its admin API.
    #[error("no Caddy answers on {admin}: {why}")]
    Unreachable {
        /// The API's address.
        admin: String,
        /// What the system says.
        why: String,
    },
    /// It answered with an error.
    #[error("Caddy refused {what}: {message}")]
    Refused {
        /// What it was asked.
        what: String,
        /// The status it answered.
        status: u16,
        /// Its words.
        message: String,
    },
    /// It answered what makes no sense, or not in time.
    #[error("Caddy on {admin} does not answer as it should: {why}")]
    Broken {
        /// The API's address.
        admin: String,
        /// What was wrong.
        why: String,
    },
    /// Somebody else changed its configuration again and again at the same time.
    #[error("Caddy's configuration was changed by somebody else at the same time, {tries} times in a row")]
    Contended {
        /// How often it was tried.
        tries: u32,
    },
    /// A file that tells Caddy who answers cannot be written or read.
    #[error("{path} cannot be used: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The route is none that a Caddy can be told.
    #[error("{0}")]
    Wrong(String),
}

impl CaddyError {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |error| Self::File { path, error }
    }
}

impl From<CaddyError> for Fault {
    fn from(error: CaddyError) -> Self {
        let fault = Self::machine(error.to_string());
        match error {
            CaddyError::Unreachable { .. } => fault.help(
                "start it (`systemctl status caddy` says how it is), or take `admin` out of the manifest: Landfall then \
                 starts a Caddy of its own",
            ),
            CaddyError::Refused { message, .. } if message.contains("address already in use") => {
                fault.help("another program listens there: `ss -ltnp` names it")
            }
            CaddyError::Refused { .. } | CaddyError::Broken { .. } => {
                fault.help("nothing was changed; its log says more: caddy.log in the state folder, or `journalctl -u caddy`")
            }
            CaddyError::Contended { .. } => fault.help("try again when nobody else changes it"),
            CaddyError::File { .. } => fault.help("look at the permissions and at the free space"),
            CaddyError::Wrong(_) => fault.kind(FaultKind::Refused),
        }
    }
}
