//! The store: file contents by BLAKE3, each once, however many bundles hold it. What comes out is what went in, or an
//! error: every blob is hashed again when it is laid out.

mod batch;
mod collect;
mod materialize;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use landfall_model::{Blame, Digest, Fault, FaultKind, Retry};

pub use batch::Batch;

use crate::hashing;
use crate::index::{Index, IndexError, MAX_INDEX};
use crate::touch::touch;

/// A folder of blobs: `ab/cdef…` by the hex digits of their digests, `tmp/` for what is still being written and
/// `damaged/` for what was found not to be what its name says. Several processes may use it at once.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// Why a blob or a bundle cannot be put in or taken out.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store has no such blob.
    #[error("the store has no {0}")]
    Missing(Digest),
    /// What was stored is not what its name says; it was moved aside, so that it counts as missing from now on.
    #[error("the stored {0} is damaged; it was moved aside")]
    Damaged(Digest),
    /// What came is not what was announced.
    #[error("what came for {expected} is {found}")]
    Mismatch {
        /// What was announced.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// The stream ended before the blob did.
    #[error("the stream ended in the middle of a blob")]
    Torn,
    /// More came than is taken.
    #[error("more than {0} bytes came, the most that is taken at once")]
    TooLarge(u64),
    /// The stream is not made of frames, or of those of another version.
    #[error("the stream holds no blobs: {0}")]
    NotFrames(&'static str),
    /// Blobs have BLAKE3 digests.
    #[error("{0} is no BLAKE3 digest")]
    NotBlake3(Digest),
    /// A blob that should be an index is none.
    #[error("{0} is no bundle: {1}")]
    Index(Digest, #[source] IndexError),
    /// The folder to lay out into is there already.
    #[error("{} is there already", .0.display())]
    InTheWay(PathBuf),
    /// The system refused.
    #[error("{} {}: {error}", .what, .path.display())]
    Io {
        /// What was tried: `cannot write`.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The stream that blobs come from failed.
    #[error("the blobs could not be received: {0}")]
    Stream(#[source] io::Error),
}

impl StoreError {
    pub(crate) fn io<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |error| Self::Io { what, path: path.to_owned(), error }
    }
}

impl StoreError {
    /// Whether the disk is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let full = |kind| matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        matches!(self, Self::Io { error, .. } if full(error.kind()))
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        let safe = |blame| Self::new(FaultKind::Failed, blame, Retry::Safe, message.clone());
        match &error {
            StoreError::Missing(_) => safe(Blame::Landfall).help("deploy again: it is sent anew"),
            StoreError::Damaged(_) => {
                safe(Blame::Machine).help("deploy again: it is sent anew; and look after the disk")
            }
            StoreError::Mismatch { .. } => {
                safe(Blame::User).help("deploy again, and leave the source as it is meanwhile")
            }
            StoreError::Torn | StoreError::Stream(_) => {
                safe(Blame::Machine).help("deploy again: what arrived whole is kept")
            }
            StoreError::TooLarge(_) | StoreError::NotFrames(_) | StoreError::NotBlake3(_) => {
                Self::usage(message)
            }
            StoreError::Index(..) | StoreError::InTheWay(_) => Self::internal(message),
            StoreError::Io { error, .. } => {
                let help = match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                        "the disk is full: make room (`landfall disk` shows what takes what, and takes away with \
                         `--prune` what no release needs)"
                    }
                    io::ErrorKind::ReadOnlyFilesystem => "the disk can only be read: remount it for writing",
                    io::ErrorKind::PermissionDenied => {
                        "give the user that runs Landfall access to its state folder"
                    }
                    _ => "look after the disk",
                };
                Self::machine(message).help(help)
            }
        }
    }
}

impl Store {
    /// Opens the store in `root`, a folder that is made if it is not there.
    ///
    /// # Errors
    /// Any of the system's.
    pub fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root.join("tmp"))?;
        Ok(Self { root: root.canonicalize()? })
    }

    /// Which of `digests` are not here, each once, in the order given. Those that are here are kept by
    /// [`Store::collect`] for its whole grace again.
    #[must_use]
    pub fn missing(&self, digests: &[Digest]) -> Vec<Digest> {
        let mut seen = std::collections::HashSet::new();
        digests.iter().filter(|digest| seen.insert(**digest) && !touch(&self.path(digest))).copied().collect()
    }

    /// Puts `size` bytes of `from` in as the blob `digest`; on the disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::Mismatch`], [`StoreError::Torn`], [`StoreError::Io`], [`StoreError::Stream`]; nothing is stored then.
    pub fn put(&self, digest: &Digest, from: &mut dyn Read, size: u64) -> Result<(), StoreError> {
        let mut batch = Batch::new(self);
        batch.add(digest, from, size)?;
        batch.commit()
    }

    /// Opens a blob for reading. Its content is not checked.
    ///
    /// # Errors
    /// Any of the system's; `NotFound` when it is not here.
    pub fn get(&self, digest: &Digest) -> io::Result<File> {
        File::open(self.path(digest))
    }

    /// Blobs that are to be put in together: written one by one, synced at once.
    pub fn batch(&self) -> Batch {
        Batch::new(self)
    }

    /// Reads a blob of at most `limit` bytes into memory and checks it.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Damaged`] (also when it is longer than `limit`), [`StoreError::Io`].
    pub fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, StoreError> {
        let path = self.path(digest);
        let mut file = self.open_blob(digest)?;
        let mut bytes = Vec::new();
        let (found, _) =
            hashing::copy(&mut file, &mut bytes, limit).map_err(StoreError::io("cannot read", &path))?;
        if found == *digest { Ok(bytes) } else { Err(self.set_aside(digest)) }
    }

    /// Reads a bundle's index and checks it.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Damaged`], [`StoreError::Index`], [`StoreError::Io`].
    pub fn read_index(&self, digest: &Digest) -> Result<Index, StoreError> {
        let bytes = self.read(digest, MAX_INDEX)?;
        Index::parse(&bytes).map_err(|error| StoreError::Index(*digest, error))
    }

    /// Where a blob lies.
    fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join(&hex[..2]).join(&hex[2..])
    }

    /// Opens a blob that must be here.
    fn open_blob(&self, digest: &Digest) -> Result<File, StoreError> {
        let path = self.path(digest);
        File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::Missing(*digest),
            _ => StoreError::Io { what: "cannot read", path, error },
        })
    }

    /// Moves a damaged blob out of the way and gives the error that says so.
    fn set_aside(&self, digest: &Digest) -> StoreError {
        let folder = self.root.join("damaged");
        let from = self.path(digest);
        let moved = fs::create_dir_all(&folder).and_then(|()| fs::rename(&from, folder.join(digest.hex())));
        match moved {
            Ok(()) => StoreError::Damaged(*digest),
            Err(error) => StoreError::Io { what: "cannot move aside the damaged", path: from, error },
        }
    }
}
