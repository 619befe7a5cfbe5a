//! Smaller forms of a file: the one that its build put beside it (`.br`, `.gz`), or one made here and kept for a while.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::find::{self, Content, Open};
use crate::limits::{COMPRESSED, MAX_COMPRESSED_KEPT};

/// The codings that a client takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Accepts {
    brotli: bool,
    gzip: bool,
}

impl Accepts {
    /// Reads the values of `Accept-Encoding` (RFC 9110, section 12.5.3); what is not named is not taken.
    pub(crate) fn of<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut accepts = Self::default();
        for member in values.flat_map(|value| value.split(',')) {
            let mut parts = member.split(';').map(str::trim);
            let coding = parts.next().unwrap_or_default();
            let refused = parts.filter_map(|part| part.strip_prefix("q=")).any(|q| q.parse() == Ok(0.0_f32));
            match coding.to_ascii_lowercase().as_str() {
                "br" => accepts.brotli = !refused,
                "gzip" | "x-gzip" => accepts.gzip = !refused,
                _ => {}
            }
        }
        accepts
    }
}

/// Whether files of this type get smaller: text, and what is written like it.
pub(crate) fn compressible(kind: &str) -> bool {
    kind.starts_with("text/")
        || matches!(
            kind,
            "application/json"
                | "application/manifest+json"
                | "application/wasm"
                | "application/rss+xml"
                | "application/atom+xml"
                | "image/svg+xml"
        )
}

/// The smallest form of an open file that the client takes; the file itself when there is none.
///
/// # Errors
/// What the system says when the file cannot be read.
pub(crate) fn choose(root: &Path, path: &Path, open: Open, accepts: Accepts) -> io::Result<Open> {
    for (taken, ending, coding) in [(accepts.brotli, "br", "br"), (accepts.gzip, "gz", "gzip")] {
        if taken && let Some(beside) = beside(root, path, ending, &open)? {
            return Ok(Open { kind: open.kind, changed: open.changed, encoding: Some(coding), ..beside });
        }
    }
    let worth = COMPRESSED.contains(&open.length) && compressible(open.kind);
    if accepts.gzip && worth { compressed(path, open) } else { Ok(open) }
}

/// What lies beside the file with this ending, unless it is older: then the file was changed without it.
fn beside(root: &Path, path: &Path, ending: &str, open: &Open) -> io::Result<Option<Open>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    Ok(find::open(root, &PathBuf::from(name))?.filter(|beside| beside.modified >= open.modified))
}

/// Compresses a file, or finds it compressed.
fn compressed(path: &Path, open: Open) -> io::Result<Open> {
    let key = Key { path: path.to_owned(), changed: open.changed, length: open.length };
    let known = kept().lookup(&key);
    let bytes = match known {
        Some(bytes) => bytes,
        None => {
            let content = match &open.content {
                Content::Read(bytes) => bytes.clone(),
                Content::Stream(file) => {
                    let mut bytes = vec![0; super::range::index(open.length)];
                    std::os::unix::fs::FileExt::read_exact_at(file, &mut bytes, 0)?;
                    bytes.into()
                }
            };
            let mut encoder = GzEncoder::new(Vec::with_capacity(content.len() / 3), Compression::default());
            encoder.write_all(&content)?;
            let bytes = Bytes::from(encoder.finish()?);
            kept().keep(key, bytes.clone());
            bytes
        }
    };
    if bytes.len() as u64 >= open.length {
        return Ok(open);
    }
    Ok(Open { length: bytes.len() as u64, content: Content::Read(bytes), encoding: Some("gzip"), ..open })
}

/// A version of a file.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    path: PathBuf,
    changed: SystemTime,
    length: u64,
}

/// Compressed files, the oldest first.
struct Kept {
    files: VecDeque<(Key, Bytes)>,
    size: usize,
}

static KEPT: Mutex<Kept> = Mutex::new(Kept { files: VecDeque::new(), size: 0 });

fn kept() -> std::sync::MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kept {
    fn lookup(&self, key: &Key) -> Option<Bytes> {
        self.files.iter().find(|(known, _)| known == key).map(|(_, bytes)| bytes.clone())
    }

    fn keep(&mut self, key: Key, bytes: Bytes) {
        self.size += bytes.len();
        self.files.push_back((key, bytes));
        while self.size > MAX_COMPRESSED_KEPT
            && let Some((_, gone)) = self.files.pop_front()
        {
            self.size -= gone.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_are_taken_when_they_are_named_and_not_refused() {
        let accepts = |value: &str| {
            let accepts = Accepts::of([value].into_iter());
            (accepts.brotli, accepts.gzip)
        };
        assert_eq!(accepts(""), (false, false));
        assert_eq!(accepts("gzip, deflate, br"), (true, true));
        assert_eq!(accepts("GZIP;q=0.5, br;q=0"), (false, true));
        assert_eq!(accepts("gzip;q=0.000, *"), (false, false));
        assert!(compressible("text/css; charset=utf-8") && !compressible("image/png"));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut kept = Kept { files: VecDeque::new(), size: 0 };
        let key = |number: u64| Key { path: "/a".into(), changed: SystemTime::UNIX_EPOCH, length: number };
        for number in 0..40 {
            kept.keep(key(number), vec![0; 1024 * 1024].into());
        }
        assert!(kept.size <= MAX_COMPRESSED_KEPT && kept.lookup(&key(0)).is_none());
        assert!(kept.lookup(&key(39)).is_some());
    }
}
