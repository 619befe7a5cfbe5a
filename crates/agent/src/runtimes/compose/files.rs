//! The secrets of a project that containers read as files: each value in a file of its own in memory, whose name changes
//! with the value and with nothing else, so that a container of which nothing changed goes on running with what it has,
//! and can be started again whatever became of the release that it came with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use landfall_fx::StateDir;
use landfall_model::{Digest, Release, Runtime, SecretsAs};

use super::pinned::{Pinned, PinnedPart};
use crate::runtimes::process::environment::Variables;
use crate::secret_file;

/// The label that changes with what a container reads as files; compose itself does not look at them.
pub(super) const LABEL: &str = "io.landfall.files";

/// The files of a release.
pub(super) struct Files<'a> {
    folder: PathBuf,
    release: &'a Release,
}

impl<'a> Files<'a> {
    pub(super) fn of(dir: &StateDir, release: &'a Release) -> Self {
        let folder = dir.service_secret_files(&release.app, &release.environment, release.service());
        Self { folder, release }
    }

    /// The file with the value that a secret has in this release.
    pub(super) fn path(&self, secret: &str) -> PathBuf {
        self.folder.join(format!("{secret}.{}", self.fingerprint(secret)))
    }

    fn fingerprint(&self, secret: &str) -> &str {
        self.release.secrets.get(secret).map_or("", |fingerprint| &fingerprint.0)
    }

    /// Writes those that a part reads. Nobody but its owner gets into the folder, so that the files may be readable for
    /// whoever a container runs as.
    ///
    /// # Errors
    /// Any of the system's, with the path.
    pub(super) fn write(&self, pinned: &Pinned, values: &Variables) -> Result<(), (PathBuf, io::Error)> {
        if pinned.secret_files.is_empty() && !is_as_files(self.release) {
            return Ok(());
        }
        fs::create_dir_all(&self.folder).map_err(|error| (self.folder.clone(), error))?;
        for (name, value) in values {
            let path = self.path(name);
            replace(&path, value).map_err(|error| (path, error))?;
        }
        Ok(())
    }

    /// What `LABEL` says of a part; `None` for one that reads no such files.
    pub(super) fn mark(&self, part: &PinnedPart) -> Option<String> {
        let mut names: BTreeSet<&str> = part.reads.iter().map(String::as_str).collect();
        if part.given && is_as_files(self.release) {
            names.extend(self.release.spec.secrets.iter().map(String::as_str));
        }
        let known: BTreeMap<&str, &str> =
            names.into_iter().map(|name| (name, self.fingerprint(name))).collect();
        if known.is_empty() && !part.sourced {
            return None;
        }
        let version = part.sourced.then(|| self.release.id.version().to_string());
        Some(Digest::of(format!("{known:?} {version:?}").as_bytes()).short())
    }
}

/// All that a release needs in memory beside its own: the folder, and the files in it. None for what is no project.
pub(crate) fn needed(dir: &StateDir, release: &Release) -> Vec<PathBuf> {
    if release.spec.runtime != Runtime::Compose {
        return Vec::new();
    }
    let files = Files::of(dir, release);
    let paths = release.spec.secrets.iter().map(|name| files.path(name));
    std::iter::once(files.folder.clone()).chain(paths).collect()
}

fn is_as_files(release: &Release) -> bool {
    release.spec.compose.as_ref().is_some_and(|compose| compose.secrets_as == SecretsAs::Files)
}

/// Writes a file that others may be reading.
fn replace(path: &Path, value: &str) -> io::Result<()> {
    if fs::read(path).is_ok_and(|old| old == value.as_bytes()) {
        return Ok(());
    }
    secret_file::lay(path, value, 0o444, |_| ())
}

#[cfg(test)]
mod tests {
    use landfall_model::Fingerprint;

    use super::*;
    use crate::runtimes::release_of;

    #[test]
    fn a_file_and_a_mark_change_with_the_value_and_with_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let dir = StateDir::open(root.path()).unwrap();
        let release = |version: &str, token: &str| {
            let mut release = release_of(version);
            release.secrets.insert("TOKEN".to_owned(), Fingerprint(token.to_owned()));
            release
        };
        let reads = PinnedPart { reads: vec!["TOKEN".to_owned()], ..PinnedPart::default() };
        let sourced = PinnedPart { sourced: true, ..PinnedPart::default() };
        let seen = |release: &Release| {
            let files = Files::of(&dir, release);
            (files.path("TOKEN"), files.mark(&reads), files.mark(&sourced))
        };
        let one = seen(&release("1.0.0-20260101000001", "aa"));
        let same = seen(&release("1.0.0-20260101000002", "aa"));
        let other = seen(&release("1.0.0-20260101000002", "bb"));
        assert_eq!((&one.0, &one.1), (&same.0, &same.1));
        assert!(one.0 != other.0 && one.1 != other.1, "{one:?} {other:?}");
        assert_ne!(one.2, same.2, "what comes with the sources lies elsewhere in each release");
        let release = release("1.0.0-20260101000001", "aa");
        assert_eq!(Files::of(&dir, &release).mark(&PinnedPart::default()), None);
    }
}
