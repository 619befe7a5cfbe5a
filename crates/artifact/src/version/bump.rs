//! The next version, written to where the version comes from.

use std::path::{Path, PathBuf};

use landfall_model::{Fault, VersionSource};

use super::source::first;
use super::{file, git};

/// Which number goes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bump {
    /// 1.4.2 to 2.0.0.
    Major,
    /// 1.4.2 to 1.5.0.
    Minor,
    /// 1.4.2 to 1.4.3.
    Patch,
}

/// What a bump did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bumped {
    /// The version before.
    pub from: semver::Version,
    /// The version now.
    pub to: semver::Version,
    /// Where it was written.
    pub wrote: Where,
}

/// Where a version was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Where {
    /// A file: the manifest or a version file.
    File(PathBuf),
    /// An annotated tag on the commit that is checked out; it is not pushed.
    Tag(String),
}

/// Writes the next version: into the manifest, into the version file, or as an annotated git tag.
///
/// # Errors
/// A version that cannot be read or written; no repository or no commit to tag; a tag that is there already.
pub fn bump(root: &Path, manifest: &Path, version: &VersionSource, bump: Bump) -> Result<Bumped, Fault> {
    match version {
        VersionSource::Manifest(from) => {
            let to = next(from, bump);
            file::write_manifest(manifest, &to)?;
            Ok(Bumped { from: from.clone(), to, wrote: Where::File(manifest.to_owned()) })
        }
        VersionSource::File(path) => {
            let from = file::read(path)?;
            let to = next(&from, bump);
            file::write(path, &to)?;
            Ok(Bumped { from, to, wrote: Where::File(path.clone()) })
        }
        VersionSource::Git => bump_tag(root, bump),
    }
}

fn bump_tag(root: &Path, bump: Bump) -> Result<Bumped, Fault> {
    let nothing = || {
        Fault::refused(format!("there is no git commit in {} to tag", root.display()))
            .help("commit first, or give `version` in landfall.toml as text")
    };
    git::head(root)?.and_then(|head| head.commit).ok_or_else(nothing)?;
    let tag = git::highest_tag(root)?;
    let from = tag.as_ref().map_or_else(first, |tag| tag.version.clone());
    let to = next(&from, bump);
    let v = if tag.is_none_or(|tag| tag.v) { "v" } else { "" };
    let name = format!("{v}{to}");
    let output = git::run(root, &["tag", "--annotate", "--message", &name, &name])?.ok_or_else(nothing)?;
    if !output.status.success() {
        return Err(git::refused(root, &output));
    }
    Ok(Bumped { from, to, wrote: Where::Tag(name) })
}

/// The version after `from`. A pre-release comes before the version it leads to: 1.5.0-rc.1 becomes 1.5.0.
fn next(from: &semver::Version, bump: Bump) -> semver::Version {
    let is_pre_release = !from.pre.is_empty();
    match bump {
        Bump::Major if is_pre_release && from.minor == 0 && from.patch == 0 => {
            semver::Version::new(from.major, 0, 0)
        }
        Bump::Major => semver::Version::new(from.major + 1, 0, 0),
        Bump::Minor if is_pre_release && from.patch == 0 => semver::Version::new(from.major, from.minor, 0),
        Bump::Minor => semver::Version::new(from.major, from.minor + 1, 0),
        Bump::Patch if is_pre_release => semver::Version::new(from.major, from.minor, from.patch),
        Bump::Patch => semver::Version::new(from.major, from.minor, from.patch + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_version_follows_semver() {
        for (from, bump, to) in [
            ("1.4.2", Bump::Major, "2.0.0"),
            ("1.4.2", Bump::Minor, "1.5.0"),
            ("1.4.2", Bump::Patch, "1.4.3"),
            ("1.5.0-rc.1", Bump::Patch, "1.5.0"),
            ("1.5.0-rc.1", Bump::Minor, "1.5.0"),
            ("1.5.1-rc.1", Bump::Minor, "1.6.0"),
            ("2.0.0-rc.1", Bump::Major, "2.0.0"),
            ("1.4.2+build", Bump::Patch, "1.4.3"),
        ] {
            assert_eq!(next(&from.parse().unwrap(), bump).to_string(), to, "{from} {bump:?}");
        }
    }
}
