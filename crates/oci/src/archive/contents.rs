//! An archive's files, stored as they pass: what may be a layer or a configuration goes into the store, what says how it
//! fits together stays in memory.

use std::collections::HashMap;
use std::io::{self, Cursor, Read};

use flate2::read::MultiGzDecoder;
use landfall_model::Digest;

use super::ArchiveError;
use crate::manifest::MAX_MANIFEST;
use crate::sha::Sha256;
use crate::store::{Images, Written};

/// The most files an archive may have: engines take 127 layers of four files each.
const MAX_FILES: usize = 8192;

/// Bytes read at once.
const READ: usize = 256 * 1024;

/// How a stream compressed with gzip begins (RFC 1952).
const GZIP: &[u8] = &[0x1f, 0x8b];

/// How a stream compressed with Zstandard begins (RFC 8878).
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// A file that is in the store now.
#[derive(Debug, Clone, Copy)]
pub(super) struct File {
    /// Of what was stored.
    pub(super) digest: Digest,
    /// Of what was stored.
    pub(super) size: u64,
    /// It is compressed in the one way that is kept.
    pub(super) zstd: bool,
}

/// What an archive held.
#[derive(Debug, Default)]
pub(super) struct Contents {
    files: HashMap<String, File>,
    /// Files that are another one.
    links: HashMap<String, String>,
    /// Docker's description of the images.
    pub(super) manifest: Option<Vec<u8>>,
    /// OCI's description of the images.
    pub(super) index: Option<Vec<u8>>,
    /// Bytes that were new to the store.
    pub(super) new: u64,
    /// Bytes that were not read.
    pub(super) skipped: u64,
}

impl Contents {
    /// A file by its path, through links.
    ///
    /// # Errors
    /// [`ArchiveError::Missing`].
    pub(super) fn file(&self, path: &str) -> Result<File, ArchiveError> {
        let path = clean(path);
        let direct = self.files.get(&path);
        let found = direct.or_else(|| self.files.get(self.links.get(&path)?));
        found.copied().ok_or(ArchiveError::Missing(path))
    }
}

/// Reads a whole archive.
pub(super) fn read(images: &Images, archive: &mut dyn Read) -> Result<Contents, ArchiveError> {
    let mut tar = tar::Archive::new(archive);
    let mut contents = Contents::default();
    for (number, entry) in tar.entries().map_err(ArchiveError::Stream)?.enumerate() {
        let mut entry = entry.map_err(ArchiveError::Stream)?;
        if number >= MAX_FILES {
            return Err(ArchiveError::TooMany(MAX_FILES));
        }
        let path = clean(&entry.path().map_err(ArchiveError::Stream)?.to_string_lossy());
        let kind = entry.header().entry_type();
        if kind.is_symlink() || kind.is_hard_link() {
            let target = entry.link_name().map_err(ArchiveError::Stream)?.unwrap_or_default();
            let target = target.to_string_lossy().into_owned();
            let target = if kind.is_symlink() { beside(&path, &target) } else { target };
            contents.links.insert(path, clean(&target));
        } else if kind.is_file() {
            match path.as_str() {
                "manifest.json" => contents.manifest = Some(small(&mut entry)?),
                "index.json" => contents.index = Some(small(&mut entry)?),
                _ if is_part(&path) => store(images, &mut contents, path, &mut entry)?,
                _ => {}
            }
        }
    }
    Ok(contents)
}

/// Whether a file may be a layer or a configuration.
fn is_part(path: &str) -> bool {
    named_by_digest(path).is_some() || path.ends_with(".tar") || path.ends_with(".json")
}

/// The digest that a path names: of any blob in OCI's layout, of a configuration (`HEX.json`) in Docker's.
fn named_by_digest(path: &str) -> Option<Digest> {
    let hex = path.strip_prefix("blobs/sha256/").or_else(|| path.strip_suffix(".json"))?;
    format!("sha256:{hex}").parse().ok()
}

fn store(
    images: &Images,
    contents: &mut Contents,
    path: String,
    entry: &mut tar::Entry<'_, &mut dyn Read>,
) -> Result<(), ArchiveError> {
    let named = named_by_digest(&path);
    let mut head = Vec::new();
    entry.take(ZSTD.len() as u64).read_to_end(&mut head).map_err(ArchiveError::Stream)?;
    let zstd = head == ZSTD;
    if let Some(blob) = named.and_then(|digest| images.blob(&digest).ok()) {
        contents.skipped += blob.size();
        contents.files.insert(path, File { digest: blob.digest(), size: blob.size(), zstd });
        return Ok(());
    }
    let expand = head.starts_with(GZIP);
    let mut raw = Hashing { from: Cursor::new(head).chain(entry), sha: Sha256::default() };
    let written = if expand {
        let written = copy(images, &mut MultiGzDecoder::new(&mut raw))?;
        // What follows the compressed stream is part of the file all the same.
        io::copy(&mut raw, &mut io::sink()).map_err(ArchiveError::Stream)?;
        written
    } else {
        copy(images, &mut raw)?
    };
    let found = raw.sha.finish();
    if named.is_some_and(|named| named != found) {
        return Err(ArchiveError::Misnamed { path, found });
    }
    contents.new += written.new;
    contents.files.insert(path, File { digest: written.digest, size: written.size, zstd });
    Ok(())
}

fn copy(images: &Images, from: &mut dyn Read) -> Result<Written, ArchiveError> {
    let mut writer = images.writer();
    let mut buffer = vec![0; READ];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(writer.finish(None)?),
            Ok(length) => writer.push(&buffer[..length])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ArchiveError::Stream(error)),
        }
    }
}

fn small(entry: &mut dyn Read) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = Vec::new();
    entry.take(MAX_MANIFEST + 1).read_to_end(&mut bytes).map_err(ArchiveError::Stream)?;
    if bytes.len() as u64 > MAX_MANIFEST {
        return Err(crate::ImageError::ManifestTooLarge.into());
    }
    Ok(bytes)
}

/// A path without `.` and with every `..` undone, as far as there is something to undo.
fn clean(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// What a link names, seen from the archive's root.
fn beside(path: &str, target: &str) -> String {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/{target}")
}

/// A reader that hashes what passes.
struct Hashing<R> {
    from: R,
    sha: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(buffer)?;
        self.sha.update(&buffer[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_where_they_should_and_nowhere_outside() {
        assert_eq!(clean("./a//b/../c"), "a/c");
        assert_eq!(clean("../../a"), "a");
        assert_eq!(clean(&beside("one/layer.tar", "../two/layer.tar")), "two/layer.tar");
        assert_eq!(clean(&beside("layer.tar", "other.tar")), "other.tar");
    }
}
