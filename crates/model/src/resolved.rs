//! A manifest, resolved for one environment.

use std::path::PathBuf;
use std::sync::Arc;

use crate::{AppName, EnvironmentName, Service};

/// What the manifest means for one environment: names checked, overlays merged, defaults applied, services in the
/// order in which they are deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub environment: EnvironmentName,
    /// The folder of the manifest, absolute.
    pub root: PathBuf,
    /// The manifest's path and text, for diagnostics that come later (a missing secret).
    pub file: PathBuf,
    /// The manifest's whole text.
    pub text: Arc<str>,
    /// Where the semantic version comes from.
    pub version: VersionSource,
    /// `.env` files that secrets are read from, the first that names one wins; absolute, need not exist.
    pub env_files: Vec<PathBuf>,
    /// Services; one that refers to another stands behind it.
    pub services: Vec<Service>,
}

/// Where the semantic version comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionSource {
    /// The manifest's own `version = "1.4.0"`.
    Manifest(semver::Version),
    /// `version = { file = "VERSION" }`: a file whose first word it is, or `package.json`, `pyproject.toml`,
    /// `Cargo.toml`; absolute.
    File(PathBuf),
    /// The newest git tag of the form `v1.4.0` or `1.4.0` that the commit descends from; 0.1.0 without one.
    Git,
}
