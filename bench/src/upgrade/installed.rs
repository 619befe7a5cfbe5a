//! A landfall where users have it, replaced by its next version as package managers do it: a new file, renamed over.

use std::path::{Path, PathBuf};

/// A binary in a folder of its own.
pub(super) struct Installed {
    folder: tempfile::TempDir,
    original: PathBuf,
}

impl Installed {
    /// Installs a copy.
    ///
    /// # Panics
    /// When there is no room for it.
    pub(super) fn new(original: &Path) -> Self {
        let installed =
            Self { folder: tempfile::tempdir().expect("a temporary folder"), original: original.to_owned() };
        installed.upgrade();
        installed
    }

    /// Where it is.
    pub(super) fn program(&self) -> PathBuf {
        self.folder.path().join("landfall")
    }

    /// Puts another build in its place and gives its id: the same program, told apart by its time of change, as every build
    /// is.
    ///
    /// # Panics
    /// When there is no room for it.
    pub(super) fn upgrade(&self) -> String {
        let new = self.folder.path().join("landfall.new");
        std::fs::copy(&self.original, &new).expect("a copy of the binary");
        std::fs::rename(&new, self.program()).expect("a file in our own folder");
        landfall_fx::build_id(&self.program()).expect("just put there")
    }
}
