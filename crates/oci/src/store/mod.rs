//! The image store: blobs cut into chunks that lie once in the host's content store, manifests and tags by repository.
//!
//! `blobs/ab/cdef…` by SHA-256 is the list of a blob's chunks. `repositories/NAME/` has `_manifests/HEX` (media type, a
//! line feed, the manifest), `_tags/TAG+` (a digest), `_blobs/HEX` (empty: the blob belongs here) and
//! `_referrers/SUBJECT/HEX` (empty: the manifest refers to the subject). No part of a repository's name begins with `_`.

mod blobs;
mod chunks;
mod collect;
mod error;
mod manifests;
mod read;
mod stream;
mod tags;
mod write;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landfall_artifact::Store;
use landfall_fx::{Files as _, RealFiles};
use landfall_model::Digest;

pub use blobs::Blob;
pub use collect::Collected;
pub use error::{ImageError, NO_ROOM};
pub use manifests::StoredManifest;
pub use read::Reader;
pub use tags::MAX_TAGS;
pub use write::{BlobWriter, Written};

use crate::name::Repository;

/// The largest blob in bytes.
pub const MAX_BLOB: u64 = 16 * 1024 * 1024 * 1024;

/// The images of a host. Clones are of the same store; one process at a time may use it.
#[derive(Debug, Clone)]
pub struct Images {
    root: PathBuf,
    chunks: Store,
    files: RealFiles,
    /// Held while manifests, tags and what belongs where change.
    changing: Arc<Mutex<()>>,
}

impl Images {
    /// Opens the store below `root`, a folder that is made if it is not there; chunks lie in `chunks`.
    ///
    /// # Errors
    /// Any of the system's.
    pub fn open(root: &Path, chunks: Store) -> io::Result<Self> {
        fs::create_dir_all(root.join("blobs"))?;
        fs::create_dir_all(root.join("repositories"))?;
        let root = root.canonicalize()?;
        Ok(Self { root, chunks, files: RealFiles, changing: Arc::default() })
    }

    /// Its folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        // What is guarded lies on the disk, each file whole: a panic elsewhere breaks none of it.
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join("blobs").join(&hex[..2]).join(&hex[2..])
    }

    fn repository(&self, name: &Repository) -> PathBuf {
        self.root.join("repositories").join(name.as_str())
    }

    /// Puts `bytes` in place of a file; on the disk when this returns.
    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), ImageError> {
        self.files.replace(path, bytes).map_err(ImageError::io("cannot write", path))
    }

    /// Makes an empty file unless it is there.
    fn mark(&self, path: &Path) -> Result<(), ImageError> {
        if path.exists() { Ok(()) } else { self.replace(path, b"") }
    }

    /// Removes a file; whether it was there.
    fn unlink(&self, path: &Path) -> Result<bool, ImageError> {
        let was = path.exists();
        self.files.remove(path).map_err(ImageError::io("cannot remove", path))?;
        Ok(was)
    }

    /// The names of the files in a folder, sorted; none when there is no such folder.
    fn names(&self, folder: &Path) -> Result<Vec<String>, ImageError> {
        let paths = self.files.list(folder).map_err(ImageError::io("cannot read", folder))?;
        let name = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        Ok(paths.iter().filter_map(name).collect())
    }

    /// All repositories, sorted.
    ///
    /// # Errors
    /// Any of the system's.
    pub fn repositories(&self) -> Result<Vec<Repository>, ImageError> {
        let mut found = Vec::new();
        let top = self.root.join("repositories");
        let mut folders = vec![top.clone()];
        while let Some(folder) = folders.pop() {
            for name in self.names(&folder)? {
                let path = folder.join(&name);
                if name.starts_with('_') || !path.is_dir() {
                    continue;
                }
                let name = path.strip_prefix(&top).ok().and_then(Path::to_str).and_then(|it| it.parse().ok());
                if path.join("_manifests").is_dir() || path.join("_blobs").is_dir() {
                    found.extend(name);
                }
                folders.push(path);
            }
        }
        found.sort();
        Ok(found)
    }
}

/// Reads a small file; `None` when it is not there.
fn read_if_there(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, ImageError> {
    use io::Read as _;
    let reading = || ImageError::io("cannot read", path);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(reading()(error)),
    };
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(reading())?;
    Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= limit))
}
