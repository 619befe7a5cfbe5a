//! The seam: whatever can give values for names.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use landfall_model::Diagnostic;
use secrecy::SecretString;

/// Gives values for names.
pub trait Provider {
    /// What it is, as people read it within a sentence: "the process environment", "`.env.dev`".
    fn describe(&self) -> String;

    /// The values of those of `names` that it has; the others are simply not in the map. A value may be empty.
    ///
    /// # Errors
    /// When it cannot be asked. The error never holds a value.
    fn fetch(&self, names: &[&str]) -> Result<BTreeMap<String, SecretString>, ProviderError>;

    /// What a person should know once values were taken from it; never holds a value.
    fn warnings(&self) -> Vec<Diagnostic> {
        Vec::new()
    }
}

/// Why a provider could not be asked. None of these holds a value.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The file is there and cannot be read.
    #[error("`{}` cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is larger than [`crate::dotenv::MAX_FILE`].
    #[error("`{}` is larger than {} KiB, too large for a file of secrets", path.display(), limit / 1024)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// The file is not in the form of a `.env` file.
    #[error("{}:{line}:{column}: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// What is wrong there; fixed words, never the file's text.
        problem: &'static str,
    },
}
