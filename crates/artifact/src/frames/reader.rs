//! Gives blobs of a bundle as a stream, read from the source file by file, never a whole one in memory.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use landfall_model::Digest;

use super::{BLOB, BLOB_HEAD, END, HEAD, MAGIC, VERSION};
use crate::bundle::Bundle;
use crate::index::What;

/// A stream of frames. Each file is hashed again while it is read: one that is no longer what the bundle says ends the
/// stream with an error before a wrong blob is complete.
#[derive(Debug)]
pub struct FrameReader {
    source: PathBuf,
    blobs: VecDeque<Blob>,
    /// What is given next, from `given` on, before anything else is read.
    ready: Vec<u8>,
    given: usize,
    current: Option<Current>,
    ended: bool,
    length: u64,
}

#[derive(Debug)]
struct Blob {
    digest: Digest,
    size: u64,
    from: From,
}

#[derive(Debug)]
enum From {
    Memory(Vec<u8>),
    File(String),
}

#[derive(Debug)]
struct Current {
    file: File,
    path: String,
    left: u64,
    hasher: blake3::Hasher,
    digest: Digest,
}

impl FrameReader {
    /// A stream of the blobs `wanted` of a bundle that was made from `source`. The bundle's index may be among them;
    /// it comes last, so that a store that has it has the rest as well.
    ///
    /// # Errors
    /// `InvalidInput` when the bundle has no such blob.
    pub fn new(source: &Path, bundle: &Bundle, wanted: &[Digest]) -> io::Result<Self> {
        let files: HashMap<Digest, (&str, u64)> = bundle
            .index
            .entries
            .iter()
            .filter_map(|entry| match entry.what {
                What::File { digest, size, .. } => Some((digest, (entry.path.as_str(), size))),
                What::Link { .. } | What::Folder {} => None,
            })
            .collect();
        let mut blobs = VecDeque::new();
        let mut index = None;
        let mut seen = std::collections::HashSet::new();
        for digest in wanted.iter().filter(|digest| seen.insert(**digest)) {
            if *digest == bundle.digest {
                let bytes = bundle.index.to_bytes();
                index = Some(Blob { digest: *digest, size: bytes.len() as u64, from: From::Memory(bytes) });
            } else if let Some((path, size)) = files.get(digest) {
                blobs.push_back(Blob { digest: *digest, size: *size, from: From::File((*path).to_owned()) });
            } else {
                let message = format!("the bundle holds no {digest}");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
        }
        blobs.extend(index);
        let framed = |blob: &Blob| BLOB_HEAD as u64 + blob.size;
        let length = HEAD as u64 + blobs.iter().map(framed).sum::<u64>() + 1;
        let ready = [MAGIC, VERSION.to_le_bytes()].concat();
        let source = source.to_owned();
        Ok(Self { source, blobs, ready, given: 0, current: None, ended: false, length })
    }

    /// The length of the whole stream in bytes, frames included.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Makes the next bytes ready, or opens the next file; false at the end.
    fn advance(&mut self) -> io::Result<bool> {
        self.ready.clear();
        self.given = 0;
        if let Some(current) = self.current.take() {
            current.finish()?;
        }
        let Some(blob) = self.blobs.pop_front() else {
            if self.ended {
                return Ok(false);
            }
            self.ended = true;
            self.ready.push(END);
            return Ok(true);
        };
        let (Digest::Blake3(digest) | Digest::Sha256(digest)) = blob.digest;
        self.ready.push(BLOB);
        self.ready.extend(digest);
        self.ready.extend(blob.size.to_le_bytes());
        match blob.from {
            From::Memory(bytes) => self.ready.extend(bytes),
            From::File(path) => {
                let here = self.source.join(&path);
                let file = File::open(&here)
                    .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", here.display())))?;
                let hasher = blake3::Hasher::new();
                self.current = Some(Current { file, path, left: blob.size, hasher, digest: blob.digest });
            }
        }
        Ok(true)
    }
}

impl Read for FrameReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.given < self.ready.len() {
                let length = buffer.len().min(self.ready.len() - self.given);
                buffer[..length].copy_from_slice(&self.ready[self.given..self.given + length]);
                self.given += length;
                return Ok(length);
            }
            if let Some(current) = self.current.as_mut().filter(|current| current.left > 0) {
                return current.read(buffer);
            }
            if !self.advance()? {
                return Ok(0);
            }
        }
    }
}

impl Current {
    /// Reads on; checks the digest with the last byte, before that is given away.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read(&mut buffer[..most])?;
        self.hasher.update(&buffer[..read]);
        self.left -= read as u64;
        if read == 0 || (self.left == 0 && !self.is_whole()) {
            return Err(self.changed());
        }
        Ok(read)
    }

    /// Checks a file that was read to its end, an empty one included.
    fn finish(self) -> io::Result<()> {
        if self.is_whole() { Ok(()) } else { Err(self.changed()) }
    }

    fn is_whole(&self) -> bool {
        Digest::Blake3(*self.hasher.finalize().as_bytes()) == self.digest
    }

    fn changed(&self) -> io::Error {
        io::Error::other(format!("{} changed while it was sent; deploy again", self.path))
    }
}
