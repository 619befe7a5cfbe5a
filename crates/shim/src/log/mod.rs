//! The captured output of an instance: `log/current` and the rotated `log/1` (newest), `log/2` …
//!
//! A line is `2026-11-20T13:15:02.120345Z o text`, `o` for standard output and `e` for standard error. Whole lines
//! are written at once, and a rotated file is never written to again.

mod follow;
mod tail;
mod writer;

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use landfall_model::{Stream, Timestamp};

pub use follow::Follower;
pub use tail::tail;
pub use writer::Writer;

/// Rotated files beyond this many are neither kept nor looked for.
const MAX_FILES: u32 = 1000;

/// One line that an instance printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it was read.
    pub at: Timestamp,
    /// Where it was printed to.
    pub stream: Stream,
    /// The line without its end, secrets blacked out, at most 16 KiB: longer ones come in pieces.
    pub line: String,
}

impl Entry {
    /// Reads a line of a log file; `None` for what is none, such as a line that a crash cut.
    fn parse(line: &str) -> Option<Self> {
        let (at, rest) = line.split_once(' ')?;
        let stream = match rest.get(..2)? {
            "o " => Stream::Out,
            "e " => Stream::Err,
            _ => return None,
        };
        Some(Self { at: at.parse().ok()?, stream, line: rest[2..].to_owned() })
    }

    /// Reads all the lines in `bytes`.
    fn parse_all(bytes: &[u8]) -> impl Iterator<Item = Self> {
        bytes.split(|&byte| byte == b'\n').filter_map(|line| Self::parse(&String::from_utf8_lossy(line)))
    }
}

/// The log's folder in an instance's folder.
fn folder_of(instance: &Path) -> PathBuf {
    instance.join("log")
}

/// The name of the `n`th file: 0 is the current one.
fn path_of(log: &Path, n: u32) -> PathBuf {
    if n == 0 { log.join("current") } else { log.join(n.to_string()) }
}

/// All files, newest first, with their inodes: a rotation meanwhile shows a file twice or moves one along, never hides
/// one that is kept.
fn open_all(log: &Path) -> io::Result<Vec<(u64, File)>> {
    let mut found: Vec<(u64, File)> = Vec::new();
    for n in 0..=MAX_FILES {
        match File::open(path_of(log, n)) {
            Ok(file) => {
                let inode = file.metadata()?.ino();
                if found.iter().all(|(other, _)| *other != inode) {
                    found.push((inode, file));
                }
            }
            // Between a rotation's two renames there is no current file for a moment.
            Err(error) if error.kind() == io::ErrorKind::NotFound && n == 0 => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_parsed_and_what_is_none_is_left_out() {
        let text = b"2026-11-20T13:15:02.120345Z o a b\n2026-11-20T13:15:02.120345Z e \nhalf\n2026-11-20T13";
        let found: Vec<Entry> = Entry::parse_all(text).collect();
        let at: Timestamp = "2026-11-20T13:15:02.120Z".parse().unwrap();
        assert_eq!(
            found,
            [
                Entry { at, stream: Stream::Out, line: "a b".to_owned() },
                Entry { at, stream: Stream::Err, line: String::new() },
            ]
        );
    }
}
