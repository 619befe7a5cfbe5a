//! Finds and opens a file below the root, on a thread that may wait for the disk. Links may not lead out.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::encoding::{self, Accepts};
use super::kind;
use super::path::Wanted;
use crate::limits::FILE_CHUNK;

/// What is there.
pub(crate) enum Found {
    /// The file, or the index of the folder.
    File(Open),
    /// A folder that was named without a slash.
    Folder,
    /// Nothing; the site's `404.html`, if it has one.
    Missing(Option<Open>),
}

/// A file to send.
pub(crate) struct Open {
    pub(crate) content: Content,
    pub(crate) length: u64,
    /// When it was written or put there, the later of the two: a kept time of an old file does not hide that it is new
    /// here.
    pub(crate) changed: SystemTime,
    pub(crate) kind: &'static str,
    /// When its content was written.
    pub(crate) modified: SystemTime,
    /// The coding that it is in (`Content-Encoding`).
    pub(crate) encoding: Option<&'static str>,
}

/// A small file is read at once, which saves two changes of thread.
pub(crate) enum Content {
    Read(Bytes),
    Stream(File),
}

/// Looks for it.
///
/// # Errors
/// What the system says, other than that there is no such file.
pub(crate) fn find(root: &Path, wanted: &Wanted, accepts: Accepts) -> io::Result<Found> {
    let root = root.canonicalize()?;
    let mut path = root.join(&wanted.path);
    if wanted.folder {
        path.push("index.html");
    }
    if let Some(open) = open(&root, &path)? {
        return encoding::choose(&root, &path, open, accepts).map(Found::File);
    }
    let index = path.join("index.html");
    if !wanted.folder && open(&root, &index)?.is_some() {
        return Ok(Found::Folder);
    }
    Ok(Found::Missing(open(&root, &root.join("404.html"))?))
}

/// Opens a regular file that lies below the root once all links are followed; anything else is not there.
pub(super) fn open(root: &Path, path: &Path) -> io::Result<Option<Open>> {
    let absent = |error: &io::Error| {
        use io::ErrorKind as Kind;
        let kinds = [Kind::NotFound, Kind::NotADirectory, Kind::PermissionDenied, Kind::InvalidFilename];
        kinds.contains(&error.kind()) || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
    };
    let real = match path.canonicalize() {
        Ok(real) if real.starts_with(root) => real,
        Ok(_) => return Ok(None),
        Err(error) if absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    if !fs::metadata(&real).is_ok_and(|facts| facts.is_file()) {
        return Ok(None);
    }
    let mut file = match File::open(&real) {
        Ok(file) => file,
        Err(error) if absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let facts = file.metadata()?;
    let length = facts.len();
    let content = if length <= FILE_CHUNK as u64 {
        let mut bytes = Vec::with_capacity(super::range::index(length));
        file.by_ref().take(length).read_to_end(&mut bytes)?;
        Content::Read(bytes.into())
    } else {
        Content::Stream(file)
    };
    let placed = Duration::new(
        u64::try_from(facts.ctime()).unwrap_or(0),
        u32::try_from(facts.ctime_nsec()).unwrap_or(0),
    );
    let modified = facts.modified()?;
    let changed = modified.max(UNIX_EPOCH + placed);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    Ok(Some(Open { content, length, changed, kind: kind::of(name), modified, encoding: None }))
}
