//! A release's bundle as what an image is made from: files that can be looked at, and a build context.

use std::fs::File;
use std::io::{self, Read as _};

use landfall_artifact::{Index, Store, What};
use landfall_image::{Entry, Ignore, MAX_READ, Source};
use landfall_model::{Digest, Timestamp};

use super::dates::Dates;

/// The files of a bundle in the store.
pub(super) struct Bundle {
    store: Store,
    index: Index,
}

impl Bundle {
    pub(super) fn new(store: &Store, index: Index) -> Self {
        Self { store: store.clone(), index }
    }

    /// What is in it.
    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    fn file(&self, path: &str) -> Option<(Digest, u64)> {
        let at = self.index.entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).ok()?;
        match &self.index.entries[at].what {
            What::File { digest, size, .. } => Some((*digest, *size)),
            What::Link { .. } | What::Folder {} => None,
        }
    }

    /// What of it is sent to a builder: all that `ignore` does not leave out, dated as `dates` says, else at `made`.
    pub(super) fn context(
        self,
        ignore: Option<Ignore>,
        dates: Dates,
        made: Timestamp,
    ) -> impl Iterator<Item = io::Result<Entry<io::Take<File>>>> + Send {
        let Self { store, index } = self;
        let kept = index
            .entries
            .into_iter()
            .filter(move |entry| ignore.as_ref().is_none_or(|ignore| !ignore.excludes(&entry.path)));
        kept.map(move |entry| {
            let what = match entry.what {
                What::File { digest, size, executable } => {
                    let content = store.get(&digest)?.take(size);
                    landfall_image::What::File { size, executable, content }
                }
                What::Link { target } => landfall_image::What::Link(target),
                What::Folder {} => landfall_image::What::Folder,
            };
            Ok(Entry { modified: dates.of(&entry.path).unwrap_or(made), path: entry.path, what })
        })
    }
}

impl Source for Bundle {
    fn files(&self) -> Vec<String> {
        let files = self.index.entries.iter().filter(|entry| !matches!(entry.what, What::Folder {}));
        files.map(|entry| entry.path.clone()).collect()
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        let (digest, size) = self.file(path).filter(|(_, size)| *size <= MAX_READ)?;
        let mut bytes = Vec::new();
        self.store.get(&digest).ok()?.take(size).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}
