//! Counts a release's requests in a file: a byte for each, so that what was counted outlives any kill.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// The tally of one release, shared by its instances.
pub(super) struct Tally(File);

impl Tally {
    /// Opens the file with the release's name in a folder.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn open(folder: &Path, release: &str) -> io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(folder.join(release)).map(Self)
    }

    /// Counts one request.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn add(&self) -> io::Result<()> {
        // Appending is atomic among all who have the file open so.
        (&self.0).write_all(b".")
    }
}

/// What was tallied in a folder, by release.
///
/// # Panics
/// When the folder cannot be read.
pub(crate) fn tallied(folder: &Path) -> BTreeMap<String, u64> {
    let entries = std::fs::read_dir(folder).expect("the folder of the tallies");
    let counted = entries
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.metadata().ok()?.len())));
    counted.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_instances_of_a_release_share_a_tally() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["a", "a"].map(|release| Tally::open(folder.path(), release).unwrap());
        Tally::open(folder.path(), "b").unwrap();
        for tally in [&one, &other, &one] {
            tally.add().unwrap();
        }
        let expected = [("a".to_owned(), 3), ("b".to_owned(), 0)];
        assert_eq!(tallied(folder.path()), BTreeMap::from(expected));
    }
}
