//! Whose rules say which files of a source stay behind.

use std::path::Path;

use landfall_image::{DOCKERIGNORE, Ignore, MAX_READ};
use landfall_model::{Dockerfile, Fault, Image, Spec};

use crate::bundle::BundleError;

/// Whose rules they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ignores {
    /// Landfall's: `.gitignore`, `.landfallignore` and what every tool can make anew.
    #[default]
    Landfall,
    /// Docker's, of a service with a Dockerfile of its own: `.dockerignore` alone, as BuildKit reads it.
    Docker {
        /// The Dockerfile, relative to the source; it travels whatever the rules say. `None`: it is kept elsewhere.
        dockerfile: Option<String>,
        /// The rules that are kept beside the Dockerfile elsewhere, which go before those of the source.
        rules: Option<String>,
    },
}

impl Ignores {
    /// Whose rules a service's source has.
    #[must_use]
    pub fn of(spec: &Spec) -> Self {
        let image = spec.container.as_ref().map(|container| &container.image);
        match image {
            Some(Image::Build(build)) => match &build.dockerfile {
                Dockerfile::Generated => Self::Landfall,
                Dockerfile::Own { path } => Self::Docker { dockerfile: Some(path.clone()), rules: None },
                Dockerfile::Text { ignore, .. } => Self::Docker { dockerfile: None, rules: ignore.clone() },
            },
            Some(Image::Ready { .. }) | None => Self::Landfall,
        }
    }

    /// Bytes that are other ones for other rules, for names of what is kept by them.
    #[must_use]
    pub fn tag(&self) -> String {
        match self {
            Self::Landfall => String::new(),
            Self::Docker { dockerfile, rules } => format!("docker {dockerfile:?} {rules:?}"),
        }
    }
}

/// Docker's rules for one source.
#[derive(Debug)]
pub(crate) struct Docker {
    pub(crate) ignore: Ignore,
    /// The Dockerfile and the files that the rules are in: a builder needs them, included or not.
    pub(crate) always: Vec<String>,
}

impl Docker {
    /// Reads the rules: those given, else those beside the Dockerfile, else the source's, else none.
    ///
    /// # Errors
    /// A file that cannot be read, or a line that is no pattern.
    pub(crate) fn read(
        source: &Path,
        dockerfile: Option<&str>,
        rules: Option<&str>,
    ) -> Result<Self, BundleError> {
        let beside = dockerfile.map(|dockerfile| format!("{dockerfile}{DOCKERIGNORE}"));
        let mut always: Vec<String> = dockerfile.into_iter().map(str::to_owned).collect();
        always.extend(beside.clone());
        always.push(DOCKERIGNORE.to_owned());
        let mut text = rules.map(str::to_owned);
        for path in beside.iter().map(String::as_str).chain([DOCKERIGNORE]) {
            if text.is_none() {
                text = read(&source.join(path))?;
            }
        }
        let ignore =
            Ignore::parse(&text.unwrap_or_default()).map_err(|fault| BundleError::Docker(Box::new(fault)))?;
        Ok(Self { ignore, always })
    }
}

/// The text of a file with rules; `None` when it is not there. An unreadable one could let something travel that must not.
fn read(path: &Path) -> Result<Option<String>, BundleError> {
    let unreadable = |error| BundleError::Io { path: path.to_owned(), error };
    match std::fs::metadata(path) {
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(error)),
        Ok(facts) if facts.len() > MAX_READ => {
            let fault = Fault::usage(format!("{} is larger than 4 MiB", path.display()));
            return Err(BundleError::Docker(Box::new(fault)));
        }
        Ok(_) => {}
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
