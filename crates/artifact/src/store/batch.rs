//! Blobs on their way in: written beside the store, synced together, then renamed into it. A power cut leaves a blob
//! whole or not there.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use landfall_model::Digest;
use tempfile::{NamedTempFile, TempPath};

use super::{Store, StoreError};
use crate::hashing;

/// The most blobs that wait to be synced together.
const MAX_PENDING: usize = 4096;

/// The most bytes that wait to be synced together.
const MAX_PENDING_BYTES: u64 = 256 * 1024 * 1024;

/// Up to this many files are synced one by one; for more, the whole file system at once is faster.
const FEW: usize = 16;

/// Blobs that are written and not yet in the store, see [`Store::batch`]. Those not committed are removed when it is
/// dropped.
#[must_use = "what is not committed is not stored"]
#[derive(Debug)]
pub struct Batch {
    store: Store,
    pending: Vec<(TempPath, Digest)>,
    /// The digests of `pending`.
    waiting: HashSet<Digest>,
    bytes: u64,
}

impl Batch {
    pub(crate) fn new(store: &Store) -> Self {
        Self { store: store.clone(), pending: Vec::new(), waiting: HashSet::new(), bytes: 0 }
    }

    /// Writes `bytes` as a blob unless the store, or this batch, has it already. Gives its digest and whether it is new.
    /// What was there is kept by [`Store::collect`] for its whole grace again.
    ///
    /// # Errors
    /// [`StoreError::Io`]; what was added before stays.
    pub fn add_bytes(&mut self, bytes: &[u8]) -> Result<(Digest, bool), StoreError> {
        let digest = Digest::of(bytes);
        if self.waiting.contains(&digest) || self.store.missing(&[digest]).is_empty() {
            return Ok((digest, false));
        }
        let folder = self.store.root.join("tmp");
        let writing = || StoreError::io("cannot write", &folder);
        let mut file = NamedTempFile::new_in(&folder).map_err(writing())?;
        file.write_all(bytes).map_err(writing())?;
        self.hold(file, digest, bytes.len() as u64)?;
        Ok((digest, true))
    }

    /// Writes the next `size` bytes of `from` and checks that they are the blob `digest`.
    ///
    /// # Errors
    /// As [`Store::put`]; what was added before stays.
    pub(crate) fn add(&mut self, digest: &Digest, from: &mut dyn Read, size: u64) -> Result<(), StoreError> {
        if !matches!(digest, Digest::Blake3(_)) {
            return Err(StoreError::NotBlake3(*digest));
        }
        let folder = self.store.root.join("tmp");
        let writing = || StoreError::io("cannot write", &folder);
        let mut file = NamedTempFile::new_in(&folder).map_err(writing())?;
        let mut reader = Remembering { from: &mut from.take(size), failed: None };
        let copied = hashing::copy(&mut reader, &mut file, size);
        if let Some(error) = reader.failed {
            return Err(StoreError::Stream(error));
        }
        let (found, length) = copied.map_err(writing())?;
        if length < size {
            return Err(StoreError::Torn);
        }
        if found != *digest {
            return Err(StoreError::Mismatch { expected: *digest, found });
        }
        self.hold(file, *digest, size)
    }

    /// Takes a file that is written; commits when too many wait.
    fn hold(&mut self, file: NamedTempFile, digest: Digest, size: u64) -> Result<(), StoreError> {
        self.pending.push((file.into_temp_path(), digest));
        self.waiting.insert(digest);
        self.bytes += size;
        if self.pending.len() >= MAX_PENDING || self.bytes >= MAX_PENDING_BYTES {
            self.commit()?;
        }
        Ok(())
    }

    /// Syncs what is pending and renames it into the store.
    ///
    /// # Errors
    /// [`StoreError::Io`]; a part may be in the store then, each blob whole.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        let pending = std::mem::take(&mut self.pending);
        self.waiting.clear();
        self.bytes = 0;
        sync(&self.store.root, pending.iter().map(|(path, _)| path.as_ref()))?;
        let mut folders = BTreeSet::new();
        for (path, digest) in pending {
            let to = self.store.path(&digest);
            let folder = to.parent().unwrap_or(&self.store.root).to_owned();
            if !folders.contains(&folder) {
                make_folder(&folder)?;
            }
            path.persist(&to).map_err(|error| StoreError::io("cannot write", &to)(error.error))?;
            folders.insert(folder);
        }
        if folders.is_empty() {
            return Ok(());
        }
        folders.insert(self.store.root.clone());
        sync(&self.store.root, folders.iter().map(PathBuf::as_path))
    }
}

/// Syncs files or folders that lie on the same file system as `root`.
pub(super) fn sync<'p>(
    root: &Path,
    paths: impl ExactSizeIterator<Item = &'p Path>,
) -> Result<(), StoreError> {
    let syncing = |path: &Path, error| StoreError::Io { what: "cannot sync", path: path.to_owned(), error };
    if paths.len() > FEW {
        let folder = File::open(root).map_err(|error| syncing(root, error))?;
        return rustix::fs::syncfs(folder).map_err(|error| syncing(root, error.into()));
    }
    for path in paths {
        File::open(path).and_then(|file| file.sync_all()).map_err(|error| syncing(path, error))?;
    }
    Ok(())
}

fn make_folder(path: &Path) -> Result<(), StoreError> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(StoreError::io("cannot make", path)(error))
        }
        _ => Ok(()),
    }
}

/// A reader that keeps its own error, so that it is told apart from the writer's.
struct Remembering<'r> {
    from: &'r mut dyn Read,
    failed: Option<io::Error>,
}

impl Read for Remembering<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.from.read(buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.failed = Some(io::Error::new(error.kind(), error.to_string()));
            }
        })
    }
}
