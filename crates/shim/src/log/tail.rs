//! The last lines, read from the end backwards, so that a long log costs no more than a short one.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::{Entry, folder_of, open_all};

/// The most lines that are given.
const MAX_LINES: usize = 10_000;
/// The most that is read for them, in bytes.
const MAX_BYTES: u64 = 32 * 1024 * 1024;
/// How much is read at a time, in bytes.
const BLOCK: u64 = 64 * 1024;

/// The last `lines` lines (at most 10,000), oldest first, across rotated files; empty where nothing was printed.
///
/// # Errors
/// Files that cannot be read.
pub fn tail(folder: &Path, lines: usize) -> io::Result<Vec<Entry>> {
    let files = open_all(&folder_of(folder))?;
    let sized = files.iter().map(|(_, file)| Ok((file, file.metadata()?.len())));
    last_lines(sized.collect::<io::Result<Vec<_>>>()?, lines)
}

/// The last `lines` lines of files that are given newest first, each with the place where reading ends.
pub(super) fn last_lines(files: Vec<(&File, u64)>, lines: usize) -> io::Result<Vec<Entry>> {
    let wanted = lines.min(MAX_LINES);
    let mut budget = MAX_BYTES;
    let mut newest_first: Vec<Vec<Entry>> = Vec::new();
    let mut count = 0;
    for (file, end) in files {
        if count >= wanted || budget == 0 {
            break;
        }
        let bytes = last_bytes(file, end, wanted - count, &mut budget)?;
        let entries: Vec<Entry> = Entry::parse_all(&bytes).collect();
        count += entries.len();
        newest_first.push(entries);
    }
    let surplus = count.saturating_sub(wanted);
    Ok(newest_first.into_iter().rev().flatten().skip(surplus).collect())
}

/// The end of a file, with at least its last `lines` lines.
fn last_bytes(file: &File, end: u64, lines: usize, budget: &mut u64) -> io::Result<Vec<u8>> {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    let (mut start, mut newlines) = (end, 0);
    // One more line end than lines: the first one found may end a line that is not wanted.
    while start > 0 && newlines <= lines && *budget > 0 {
        let size = BLOCK.min(start).min(*budget);
        start -= size;
        *budget -= size;
        let mut block = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut block, start)?;
        newlines += block.iter().filter(|&&byte| byte == b'\n').count();
        blocks.push(block);
    }
    Ok(blocks.into_iter().rev().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn write(folder: &Path, name: &str, numbers: std::ops::Range<u32>, width: usize) {
        let text = numbers.fold(String::new(), |mut text, n| {
            let _ = writeln!(text, "2026-11-20T13:15:02.120345Z o {n:0width$}");
            text
        });
        std::fs::create_dir_all(folder.join("log")).unwrap();
        std::fs::write(folder.join("log").join(name), text).unwrap();
    }

    #[track_caller]
    fn check(folder: &Path, lines: usize, expected: std::ops::Range<u32>) {
        let found: Vec<u32> = tail(folder, lines).unwrap().iter().map(|e| e.line.parse().unwrap()).collect();
        assert_eq!(found, expected.collect::<Vec<_>>());
    }

    #[test]
    fn the_tail_reaches_back_across_files() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        check(folder, 10, 0..0);
        write(folder, "current", 20..25, 2);
        write(folder, "1", 10..20, 2);
        write(folder, "2", 0..10, 2);
        check(folder, 3, 22..25);
        check(folder, 5, 20..25);
        check(folder, 6, 19..25);
        check(folder, 24, 1..25);
        check(folder, 100, 0..25);
        check(folder, 0, 0..0);
    }

    #[test]
    fn a_tail_is_bounded_and_crosses_blocks() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "current", 0..12_000, 30);
        check(folder.path(), 3_000, 9_000..12_000);
        check(folder.path(), 12_000, 2_000..12_000);
    }
}
