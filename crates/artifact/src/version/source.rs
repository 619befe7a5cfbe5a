//! Which version a source is, before it gets its moment.

use std::path::Path;

use landfall_model::{Fault, VersionSource};

use super::{file, git};

/// A source as far as its version is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The semantic version.
    pub semver: semver::Version,
    /// The abbreviated commit, 7 hex digits; `None` outside git.
    pub commit: Option<String>,
    /// Whether the folder holds changes that are not committed.
    pub dirty: bool,
}

/// Finds out the version of the folder `root`. Calls `git` once, twice where the version comes from its tags; without
/// git, or outside a repository, there is no commit, and a version from tags is 0.1.0.
///
/// # Errors
/// A version file that cannot be read or names none; a repository that git refuses to read.
pub fn source(root: &Path, version: &VersionSource) -> Result<Source, Fault> {
    let head = git::head(root)?;
    let has_commit = head.as_ref().is_some_and(|head| head.commit.is_some());
    let semver = match version {
        VersionSource::Manifest(version) => version.clone(),
        VersionSource::File(path) => file::read(path)?,
        VersionSource::Git if has_commit => git::highest_tag(root)?.map_or_else(first, |tag| tag.version),
        VersionSource::Git => first(),
    };
    let (commit, dirty) = head.map_or((None, false), |head| (head.commit, head.dirty));
    Ok(Source { semver, commit, dirty })
}

/// The version before any tag.
pub(super) fn first() -> semver::Version {
    semver::Version::new(0, 1, 0)
}
