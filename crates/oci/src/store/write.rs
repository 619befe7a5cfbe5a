//! Blobs on their way in: cut into chunks by their content, so that what two blobs have in common is stored once.
//!
//! Cuts are those of Xia and others ("`FastCDC`: a Fast and Efficient Content-Defined Chunking Approach", 2016, in its form
//! of 2020): they depend on the bytes around them alone, so that an insertion moves no cut far behind it.

use fastcdc::v2020::FastCDC;
use landfall_artifact::{Batch, StoreError, touch};
use landfall_model::Digest;

use super::chunks::{Chunk, encode};
use super::{ImageError, Images, MAX_BLOB};
use crate::sha::Sha256;

/// The smallest chunk in bytes but for a blob's last. Stored lists rest on these three: with others, blobs that are there
/// stay readable, and share nothing with new ones.
const MIN_CHUNK: usize = 16 * 1024;

/// What chunks have on average.
const AVERAGE_CHUNK: usize = 64 * 1024;

/// The largest chunk in bytes.
pub(crate) const MAX_CHUNK: usize = 256 * 1024;

/// Bytes that are gathered before they are cut.
const GATHERED: usize = 4 * MAX_CHUNK;

/// A blob that is being written. What was pushed is gone when it is dropped; its chunks may stay until they are collected.
#[derive(Debug)]
#[must_use = "a blob that is not finished is not stored"]
pub struct BlobWriter {
    images: Images,
    batch: Batch,
    sha: Sha256,
    /// What is not cut yet.
    rest: Vec<u8>,
    chunks: Vec<Chunk>,
    size: u64,
    new: u64,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The blob's SHA-256 digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Bytes that the store did not have before.
    pub new: u64,
}

impl Images {
    /// Begins a blob.
    pub fn writer(&self) -> BlobWriter {
        BlobWriter {
            images: self.clone(),
            batch: self.chunks.batch(),
            sha: Sha256::default(),
            rest: Vec::new(),
            chunks: Vec::new(),
            size: 0,
            new: 0,
        }
    }

    /// Puts a small blob in.
    ///
    /// # Errors
    /// As [`BlobWriter::finish`].
    pub fn put_blob(&self, bytes: &[u8]) -> Result<Written, ImageError> {
        let mut writer = self.writer();
        writer.push(bytes)?;
        writer.finish(None)
    }
}

impl BlobWriter {
    /// The bytes that were pushed so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`ImageError::TooLarge`], a full disk. The writer is of no use then.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), ImageError> {
        if self.size + bytes.len() as u64 > MAX_BLOB {
            return Err(ImageError::TooLarge);
        }
        self.sha.update(bytes);
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(GATHERED - self.rest.len()));
            self.rest.extend_from_slice(now);
            bytes = later;
            if self.rest.len() == GATHERED {
                self.cut(MAX_CHUNK)?;
            }
        }
        Ok(())
    }

    /// Ends the blob; it, and its list of chunks, are on the disk when this returns.
    ///
    /// # Errors
    /// [`ImageError::Mismatch`] when it is not `expected`; a full disk. The blob is not stored then.
    pub fn finish(mut self, expected: Option<&Digest>) -> Result<Written, ImageError> {
        let digest = self.sha.clone().finish();
        if let Some(expected) = expected
            && *expected != digest
        {
            return Err(ImageError::Mismatch { expected: *expected, found: digest });
        }
        self.cut(1)?;
        self.batch.commit()?;
        let digests: Vec<Digest> = self.chunks.iter().map(|chunk| chunk.digest).collect();
        if let Some(lost) = self.images.chunks.missing(&digests).first() {
            return Err(StoreError::Missing(*lost).into());
        }
        let path = self.images.blob_path(&digest);
        if !touch(&path) {
            let list = encode(&self.chunks);
            self.images.replace(&path, &list)?;
            self.new += list.len() as u64;
        }
        Ok(Written { digest, size: self.size, new: self.new })
    }

    /// Cuts what was gathered for as long as at least `least` bytes are left: a cut is final only where a whole largest
    /// chunk was in sight, or at the end.
    fn cut(&mut self, least: usize) -> Result<(), ImageError> {
        let cutter = FastCDC::new(&self.rest, MIN_CHUNK, AVERAGE_CHUNK, MAX_CHUNK);
        let mut start = 0;
        while self.rest.len() - start >= least {
            let (_, end) = cutter.cut(start, self.rest.len() - start);
            let bytes = &self.rest[start..end];
            let (digest, new) = self.batch.add_bytes(bytes)?;
            if new {
                self.new += bytes.len() as u64;
            }
            let size = u32::try_from(bytes.len()).expect("the largest chunk is far below 4 GiB");
            self.chunks.push(Chunk { digest, size });
            start = end;
        }
        self.rest.drain(..start);
        Ok(())
    }
}
