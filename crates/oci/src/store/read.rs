//! Blobs on their way out: each chunk is checked before it is given, and a whole blob by its SHA-256 as well.

use std::ops::Range;

use landfall_artifact::StoreError;

use super::write::MAX_CHUNK;
use super::{Blob, ImageError};
use crate::sha::Sha256;

/// A stretch of a blob that is being read.
#[derive(Debug)]
pub struct Reader {
    blob: Blob,
    range: Range<u64>,
    /// The next chunk, and where it begins in the blob.
    next: usize,
    at: u64,
    /// Only when the whole blob is read.
    sha: Option<Sha256>,
}

impl Blob {
    /// Reads a stretch of it; what lies beyond its end is left out.
    #[must_use]
    pub fn read(self, range: Range<u64>) -> Reader {
        let range = range.start.min(self.size)..range.end.min(self.size);
        let sha = (range == (0..self.size)).then(Sha256::default);
        Reader { blob: self, range, next: 0, at: 0, sha }
    }

    /// Reads all of it.
    #[must_use]
    pub fn read_all(self) -> Reader {
        let all = 0..self.size;
        self.read(all)
    }
}

impl Reader {
    /// The next bytes, those of one chunk; `None` at the end. The last bytes of a whole blob are given only after its
    /// digest was checked.
    ///
    /// # Errors
    /// [`ImageError::Damaged`]: the blob is out of the store then, and can be put in again. The system's.
    pub fn next_bytes(&mut self) -> Result<Option<Vec<u8>>, ImageError> {
        while let Some(chunk) = self.blob.chunks.get(self.next) {
            let (begins, ends) = (self.at, self.at + u64::from(chunk.size));
            if begins >= self.range.end {
                break;
            }
            self.at = ends;
            self.next += 1;
            if ends <= self.range.start {
                continue;
            }
            let read = self.blob.images.chunks.read(&chunk.digest, MAX_CHUNK as u64);
            let mut bytes = match read {
                Ok(bytes) if bytes.len() as u64 == u64::from(chunk.size) => bytes,
                Ok(_) | Err(StoreError::Damaged(_) | StoreError::Missing(_)) => return Err(self.damaged()),
                Err(error) => return Err(error.into()),
            };
            if let Some(sha) = &mut self.sha {
                sha.update(&bytes);
                if ends == self.blob.size && sha.clone().finish() != self.blob.digest {
                    return Err(self.damaged());
                }
            }
            let within = |at: u64| usize::try_from(at - begins).expect("a chunk fits into memory");
            bytes.truncate(within(ends.min(self.range.end)));
            bytes.drain(..within(begins.max(self.range.start)));
            return Ok(Some(bytes));
        }
        Ok(None)
    }

    /// Takes the list of chunks out of the store, so that the blob is put in anew.
    fn damaged(&self) -> ImageError {
        let path = self.blob.images.blob_path(&self.blob.digest);
        match self.blob.images.unlink(&path) {
            Ok(_) => ImageError::Damaged(self.blob.digest),
            Err(error) => error,
        }
    }
}
