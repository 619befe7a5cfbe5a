//! A bundle as what an image is made from: its files for looking at, its entries for the build context.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use landfall_image::{Entry, Ignore, MAX_READ, Source, What as InContext};

use crate::index::{Index, What};
use crate::store::Store;

/// A bundle whose contents lie in a store, or still in the folder that it was made of.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    index: &'a Index,
    contents: Contents<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Contents<'a> {
    Store(&'a Store),
    Folder(&'a Path),
}

impl<'a> Sources<'a> {
    /// A bundle that a store holds.
    #[must_use]
    pub fn in_store(index: &'a Index, store: &'a Store) -> Self {
        Self { index, contents: Contents::Store(store) }
    }

    /// A bundle that was just made of `folder`.
    #[must_use]
    pub fn in_folder(index: &'a Index, folder: &'a Path) -> Self {
        Self { index, contents: Contents::Folder(folder) }
    }

    /// The entries of the build context, sorted, for [`landfall_image::context`]: those of the bundle but for what `ignore`
    /// excludes, which is the Dockerfile and the `.dockerignore` at most where the bundle was made by the same rules.
    pub fn entries(self, ignore: &Ignore) -> impl Iterator<Item = io::Result<Entry<File>>> + use<'a> {
        let entries = self.index.entries.iter();
        let included: Vec<_> = entries.filter(|entry| !ignore.excludes(&entry.path)).collect();
        included.into_iter().map(move |entry| {
            let what = match &entry.what {
                What::File { size, executable, .. } => {
                    InContext::File { size: *size, executable: *executable, content: self.open(entry)? }
                }
                What::Link { target } => InContext::Link(target.clone()),
                What::Folder {} => InContext::Folder,
            };
            Ok(Entry { path: entry.path.clone(), what })
        })
    }

    fn open(self, entry: &crate::Entry) -> io::Result<File> {
        match (self.contents, &entry.what) {
            (Contents::Store(store), What::File { digest, .. }) => store.get(digest),
            (Contents::Folder(folder), _) => File::open(folder.join(&entry.path)),
            (Contents::Store(_), _) => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Source for Sources<'_> {
    fn files(&self) -> Vec<String> {
        let files = self.index.entries.iter().filter(|entry| !matches!(entry.what, What::Folder {}));
        files.map(|entry| entry.path.clone()).collect()
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        let entries = &self.index.entries;
        let at = entries.binary_search_by(|entry| entry.path.as_bytes().cmp(path.as_bytes())).ok()?;
        let file = self.open(&entries[at]).ok()?;
        let mut bytes = Vec::new();
        file.take(MAX_READ + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 <= MAX_READ).then_some(bytes)
    }
}
