//! Digests of files that have not changed since they were last read, so that a large unchanged tree is not read again.
//!
//! A file counts as unchanged when its length, times, inode and device are the same. A file that was written within
//! two seconds of being read could be written again without its times telling; such a one is not remembered.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use landfall_model::Digest;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

/// The version of the file's format; a file of another one is not used.
const FORMAT: u32 = 1;

/// The largest cache that is read, in bytes: that of a tree at its limit of files.
const MAX_CACHE: u64 = 128 * 1024 * 1024;

/// The coarsest resolution of file times that is reckoned with (FAT's), in nanoseconds.
const RACY: i128 = 2_000_000_000;

/// A cache, open for one walk.
pub(crate) struct Cache {
    path: PathBuf,
    old: BTreeMap<String, Known>,
    new: BTreeMap<String, Known>,
    /// Becomes the file. Its time of birth is the file system's own idea of when the walk began.
    file: Option<(NamedTempFile, i128)>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    files: BTreeMap<String, Known>,
}

/// What a file looked like when it was read.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Known(u64, i64, i64, i64, i64, u64, u64, Digest);

impl Known {
    fn new(facts: &Metadata, digest: Digest) -> Self {
        Self(
            facts.len(),
            facts.mtime(),
            facts.mtime_nsec(),
            facts.ctime(),
            facts.ctime_nsec(),
            facts.ino(),
            facts.dev(),
            digest,
        )
    }

    /// The later of the two times, in nanoseconds.
    fn changed(&self) -> i128 {
        nanoseconds(self.1, self.2).max(nanoseconds(self.3, self.4))
    }
}

fn nanoseconds(seconds: i64, rest: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(rest)
}

impl Cache {
    /// Reads the cache at `path`; what is not there or cannot be read is an empty one.
    pub(crate) fn open(path: &Path) -> Self {
        let small = fs::metadata(path).is_ok_and(|facts| facts.len() <= MAX_CACHE);
        let stored = small.then(|| fs::read(path).ok()).flatten();
        let stored: Option<Stored> = stored.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let old = stored.filter(|stored| stored.format == FORMAT).map(|stored| stored.files);
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let file = fs::create_dir_all(folder)
            .and_then(|()| NamedTempFile::new_in(folder))
            .and_then(|file| file.as_file().metadata().map(|facts| (file, facts)));
        let file = file.ok().map(|(file, facts)| (file, nanoseconds(facts.mtime(), facts.mtime_nsec())));
        Self { path: path.to_owned(), old: old.unwrap_or_default(), new: BTreeMap::new(), file }
    }

    /// The digest of the file at `path` if it has not changed since it was read.
    pub(crate) fn digest(&mut self, path: &str, facts: &Metadata) -> Option<Digest> {
        let known = self.old.get(path)?;
        if *known != Known::new(facts, known.7) {
            return None;
        }
        self.new.insert(path.to_owned(), known.clone());
        Some(known.7)
    }

    /// Remembers what was read, if the file had rested for long enough. `facts` were taken before it was read.
    pub(crate) fn remember(&mut self, path: &str, facts: &Metadata, digest: Digest) {
        let known = Known::new(facts, digest);
        if self.file.as_ref().is_some_and(|(_, began)| known.changed() + RACY < *began) {
            self.new.insert(path.to_owned(), known);
        }
    }

    /// Writes what is known now, if that is anything else than before. A cache that cannot be written is no loss.
    pub(crate) fn save(self) {
        let Some((mut file, _)) = self.file else { return };
        if self.new == self.old {
            return;
        }
        let stored = Stored { format: FORMAT, files: self.new };
        let Ok(bytes) = serde_json::to_vec(&stored) else { return };
        if file.write_all(&bytes).is_ok() {
            // Losing it costs reading the files again, nothing more.
            let _ = file.persist(self.path);
        }
    }
}
