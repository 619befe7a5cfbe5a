//! A build's context: a tar archive, spooled to a file without a name and indexed, so that either builder is given it
//! the way it wants: the classic one as an archive, BuildKit file by file and only what it has not got.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt as _;

use landfall_model::Fault;
use tar::EntryType;

/// The most bytes of a context.
const MAX_BYTES: u64 = 8 << 30;

/// The most entries of a context.
const MAX_ENTRIES: usize = 1_000_000;

/// How many bytes are read at once.
const CHUNK: usize = 256 * 1024;

/// The size of an archive's block.
const BLOCK: u64 = 512;

/// The permissions of folders that an archive implies.
const IMPLIED: u32 = 0o755;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A folder.
    Folder,
    /// A regular file.
    File {
        /// Where its bytes begin in the archive.
        offset: u64,
        /// How many they are.
        size: u64,
        /// When they became what they are, in seconds since 1970.
        modified: u64,
        /// A digest of them, cut to 60 bits.
        mark: u64,
    },
    /// A symbolic link.
    Link {
        /// Where it points.
        target: String,
    },
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Permissions.
    pub(super) mode: u32,
    /// What it is.
    pub(super) kind: Kind,
}

/// A context.
#[derive(Debug)]
pub(super) struct Context {
    spool: File,
    /// Where the archive's last entry ends.
    end: u64,
    entries: BTreeMap<Place, Entry>,
}

/// A path within a context, in the order in which a walk meets it: a folder, what is in it, then what is beside it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(Vec<String>);

impl Place {
    /// Reads a path of an archive.
    fn read(path: &str) -> Option<Self> {
        let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
        let parts: Vec<String> = parts.map(str::to_owned).collect();
        let safe = !path.starts_with('/') && !parts.iter().any(|part| part == "..");
        safe.then_some(Self(parts))
    }

    /// `a/b/c`.
    pub(super) fn path(&self) -> String {
        self.0.join("/")
    }
}

impl Context {
    /// Spools and indexes an archive.
    ///
    /// # Errors
    /// A fault of the machine when it cannot be written; of Landfall's own when it is no such archive; a usage fault
    /// when it is larger than a context may be.
    pub(super) async fn read(archive: Box<dyn Read + Send>) -> Result<Self, Fault> {
        tokio::task::spawn_blocking(move || Self::spool(archive))
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the thread that reads it ended")))
            .map_err(|why| match why.kind() {
                io::ErrorKind::StorageFull => Fault::machine("the build context does not fit on the disk")
                    .help("make room in the folder for temporary files (TMPDIR, else /tmp)"),
                io::ErrorKind::FileTooLarge => {
                    Fault::usage(why.to_string()).help("name in `.dockerignore` what the image does not need")
                }
                _ => Fault::internal(format!("the build context cannot be read: {why}")),
            })
    }

    fn spool(archive: Box<dyn Read + Send>) -> io::Result<Self> {
        let spool = tempfile::tempfile()?;
        let mut archive = tar::Archive::new(Tee { from: archive, to: &spool, passed: 0 });
        let mut entries = BTreeMap::new();
        let mut end = 0;
        for entry in archive.entries()? {
            let entry = entry?;
            let size = entry.size();
            let offset = entry.raw_file_position();
            end = end.max(offset + size.next_multiple_of(BLOCK));
            let path = entry.path()?.to_string_lossy().into_owned();
            let odd = || io::Error::other(format!("`{path}` cannot be in a context"));
            let place = Place::read(&path).ok_or_else(odd)?;
            let mode = entry.header().mode()? & 0o7777;
            let kind = match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => {
                    let modified = entry.header().mtime()?;
                    Kind::File { offset, size, modified, mark: mark(entry)? }
                }
                EntryType::Directory => Kind::Folder,
                EntryType::Symlink => {
                    let target = entry.link_name()?.ok_or_else(odd)?;
                    Kind::Link { target: target.to_string_lossy().into_owned() }
                }
                _ => return Err(odd()),
            };
            for depth in 1..place.0.len() {
                let above = Place(place.0[..depth].to_vec());
                entries.entry(above).or_insert(Entry { mode: IMPLIED, kind: Kind::Folder });
            }
            if !place.0.is_empty() {
                entries.insert(place, Entry { mode, kind });
            }
            if entries.len() > MAX_ENTRIES {
                return Err(large(format!("the build context has more than {MAX_ENTRIES} files")));
            }
        }
        drop(archive);
        Ok(Self { spool, end, entries })
    }

    /// The entries, each folder before what is in it.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Place, &Entry)> {
        self.entries.iter()
    }

    /// The regular file at `path`: where it begins in the archive, and its size.
    pub(super) fn file(&self, path: &str) -> Option<(u64, u64)> {
        match self.entries.get(&Place::read(path)?)?.kind {
            Kind::File { offset, size, .. } => Some((offset, size)),
            _ => None,
        }
    }

    /// Where the archive's last entry ends: what else it is to hold is put there.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Another hand on the spool, for reading pieces of it.
    ///
    /// # Errors
    /// When the process may open no more files.
    pub(super) fn pieces(&self) -> io::Result<Pieces> {
        Ok(Pieces { spool: self.spool.try_clone()? })
    }
}

/// Reads pieces of a spooled archive.
#[derive(Debug)]
pub(super) struct Pieces {
    spool: File,
}

impl Pieces {
    /// At most `CHUNK` of the `left` bytes from `offset` on; blocking, though only as long as the page cache takes.
    pub(super) fn read(&self, offset: u64, left: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; CHUNK.min(usize::try_from(left).unwrap_or(CHUNK))];
        self.spool.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }
}

/// Writes down what is read through it.
struct Tee<'a> {
    from: Box<dyn Read + Send>,
    to: &'a File,
    passed: u64,
}

impl Read for Tee<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buf)?;
        self.to.write_all(&buf[..count])?;
        self.passed += count as u64;
        if self.passed > MAX_BYTES {
            return Err(large(format!("the build context is larger than {} GiB", MAX_BYTES >> 30)));
        }
        Ok(count)
    }
}

fn large(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, text)
}

/// 60 bits of the digest of what is read.
pub(super) fn mark(mut from: impl Read) -> io::Result<u64> {
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut from, &mut hasher)?;
    let digest = hasher.finalize();
    let (first, _) = digest.as_bytes().split_first_chunk::<8>().expect("a digest has 32 bytes");
    Ok(u64::from_le_bytes(*first) >> 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Box<dyn Read + Send> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, *content).unwrap();
        }
        Box::new(io::Cursor::new(builder.into_inner().unwrap()))
    }

    #[test]
    fn entries_come_in_the_order_of_a_walk_with_their_folders() {
        let long = format!("deep/{}/file", "x".repeat(150));
        let context =
            Context::spool(archive(&[("a-b", b"1"), ("a/c", b"2"), ("./z", b"3"), (&long, b"4")])).unwrap();
        let paths: Vec<String> = context.entries().map(|(place, _)| place.path()).collect();
        assert_eq!(paths[..4], ["a", "a/c", "a-b", "deep"]);
        assert_eq!(paths[5..], [long.as_str(), "z"]);
        let (offset, size) = context.file("a/c").unwrap();
        assert_eq!(context.pieces().unwrap().read(offset, size).unwrap(), b"2");
        assert_eq!(context.file("a"), None);
    }

    #[test]
    fn a_change_of_the_content_changes_the_mark() {
        let marks = [b"1", b"2"].map(|content| {
            let context = Context::spool(archive(&[("f", content)])).unwrap();
            context.entries().next().unwrap().1.clone()
        });
        assert_ne!(marks[0], marks[1]);
    }

    #[test]
    fn a_path_out_of_the_context_is_refused() {
        assert_eq!(Place::read("../x"), None);
        assert_eq!(Place::read("/x"), None);
        assert_eq!(Place::read("./a//b/").map(|place| place.path()).as_deref(), Some("a/b"));
    }
}
