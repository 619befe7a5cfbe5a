//! Which blobs there are, and in which repository.

use std::fs;
use std::path::{Path, PathBuf};

use landfall_artifact::touch;
use landfall_model::Digest;

use super::chunks::{Chunk, decode};
use super::{ImageError, Images, read_if_there};
use crate::name::Repository;

/// The longest list of chunks in bytes: of the largest blob, all in chunks of the least size.
const MAX_LIST: u64 = 64 * 1024 * 1024;

/// A blob that is there, opened by [`Images::blob`].
#[derive(Debug, Clone)]
pub struct Blob {
    pub(crate) images: Images,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) chunks: Vec<Chunk>,
}

impl Blob {
    /// Its SHA-256 digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Images {
    /// Opens a blob. One that is there is kept by [`Images::collect`] for its whole grace again; one that lost a chunk
    /// counts as missing.
    ///
    /// # Errors
    /// [`ImageError::BlobUnknown`], the system's.
    pub fn blob(&self, digest: &Digest) -> Result<Blob, ImageError> {
        let path = self.blob_path(digest);
        let unknown = ImageError::BlobUnknown(*digest);
        let Some(list) = read_if_there(&path, MAX_LIST)? else { return Err(unknown) };
        let chunks = decode(&list);
        let digests = chunks.iter().flatten().map(|chunk| chunk.digest).collect::<Vec<_>>();
        match chunks {
            Some(chunks) if self.chunks.missing(&digests).is_empty() && touch(&path) => {
                let size = chunks.iter().map(|chunk| u64::from(chunk.size)).sum();
                Ok(Blob { images: self.clone(), digest: *digest, size, chunks })
            }
            _ => {
                self.unlink(&path)?;
                Err(unknown)
            }
        }
    }

    /// Opens a blob of a repository.
    ///
    /// # Errors
    /// As [`Images::blob`].
    pub fn blob_in(&self, repository: &Repository, digest: &Digest) -> Result<Blob, ImageError> {
        if self.belongs(repository, digest) {
            self.blob(digest)
        } else {
            Err(ImageError::BlobUnknown(*digest))
        }
    }

    /// Makes a blob that is there one of a repository.
    ///
    /// # Errors
    /// Any of the system's.
    pub fn adopt(&self, repository: &Repository, digest: &Digest) -> Result<(), ImageError> {
        let _changing = self.lock();
        let link = self.belonging(repository, digest);
        if touch(&link) { Ok(()) } else { self.replace(&link, b"") }
    }

    /// Takes a blob out of a repository; its bytes go when they are collected.
    ///
    /// # Errors
    /// [`ImageError::BlobUnknown`], the system's.
    pub fn forget_blob(&self, repository: &Repository, digest: &Digest) -> Result<(), ImageError> {
        let _changing = self.lock();
        let was = self.unlink(&self.belonging(repository, digest))?;
        if was { Ok(()) } else { Err(ImageError::BlobUnknown(*digest)) }
    }

    /// Whether a repository has a blob.
    #[must_use]
    pub fn belongs(&self, repository: &Repository, digest: &Digest) -> bool {
        self.belonging(repository, digest).exists()
    }

    fn belonging(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        self.repository(repository).join("_blobs").join(digest.hex())
    }

    /// All blobs, in no order.
    pub(super) fn all_blobs(&self) -> Result<Vec<(Digest, PathBuf)>, ImageError> {
        let top = self.root.join("blobs");
        let reading = || ImageError::io("cannot read", &top);
        let mut found = Vec::new();
        for folder in fs::read_dir(&top).map_err(reading())? {
            let folder = folder.map_err(reading())?.path();
            let prefix = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            for name in self.names(&folder)? {
                if let Ok(digest) = format!("sha256:{prefix}{name}").parse() {
                    found.push((digest, folder.join(name)));
                }
            }
        }
        Ok(found)
    }

    /// The chunks of a list; none of one that is no list.
    pub(super) fn chunks_of(path: &Path) -> Result<Vec<Digest>, ImageError> {
        let list = read_if_there(path, MAX_LIST)?.and_then(|list| decode(&list)).unwrap_or_default();
        Ok(list.into_iter().map(|chunk| chunk.digest).collect())
    }
}
