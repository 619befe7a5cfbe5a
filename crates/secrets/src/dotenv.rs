//! One `.env` file as a provider. The form is in [`parse`]; nothing is expanded.

mod parse;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use landfall_model::{Diagnostic, Severity};
use secrecy::{ExposeSecret as _, SecretString};

pub use parse::{SyntaxError, parse};

use crate::{Provider, ProviderError};

/// The largest file in bytes.
pub const MAX_FILE: u64 = 1024 * 1024;

/// One `.env` file. One that is not there has no values.
#[derive(Debug, Clone)]
pub struct Dotenv {
    path: PathBuf,
    shown: PathBuf,
}

impl Dotenv {
    /// The file at `path`.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { shown: path.clone(), path }
    }

    /// The same, called by its path below `root` in messages when it lies there.
    #[must_use]
    pub fn below(mut self, root: &Path) -> Self {
        self.shown = self.path.strip_prefix(root).unwrap_or(&self.path).to_owned();
        self
    }

    fn read(&self) -> Result<Option<SecretString>, ProviderError> {
        let unreadable = |source| ProviderError::Unreadable { path: self.shown.clone(), source };
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        // Room for all of it at once: no half-grown copies of values stay behind in memory.
        let length = file.metadata().map_err(unreadable)?.len().min(MAX_FILE);
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 1);
        file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(ProviderError::TooLarge { path: self.shown.clone(), limit: MAX_FILE });
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text.into())),
            Err(error) => {
                let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let good = std::str::from_utf8(good).unwrap_or_default();
                Err(self.syntax(&SyntaxError::at(good, good.len(), "the file is not UTF-8 from here on")))
            }
        }
    }

    fn syntax(&self, error: &SyntaxError) -> ProviderError {
        let SyntaxError { line, column, problem } = *error;
        ProviderError::Syntax { path: self.shown.clone(), line, column, problem }
    }
}

impl Provider for Dotenv {
    fn describe(&self) -> String {
        format!("`{}`", self.shown.display())
    }

    fn fetch(&self, names: &[&str]) -> Result<BTreeMap<String, SecretString>, ProviderError> {
        let Some(text) = self.read()? else { return Ok(BTreeMap::new()) };
        let pairs = parse(text.expose_secret()).map_err(|error| self.syntax(&error))?;
        Ok(pairs.into_iter().filter(|(name, _)| names.contains(&name.as_str())).collect())
    }

    fn warnings(&self) -> Vec<Diagnostic> {
        let Ok(meta) = self.path.metadata() else { return Vec::new() };
        let mode = meta.permissions().mode() & 0o777;
        if mode & 0o077 == 0 {
            return Vec::new();
        }
        let shown = self.shown.display();
        vec![Diagnostic {
            severity: Severity::Warning,
            message: format!(
                "secrets are in `{shown}`, which others on this machine can reach (mode {mode:04o})"
            ),
            file: self.shown.clone(),
            text: "".into(),
            labels: Vec::new(),
            help: Some(format!("`chmod 600 {shown}`")),
        }]
    }
}
