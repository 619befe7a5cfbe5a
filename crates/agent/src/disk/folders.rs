//! How much folders take on the disk: what they have been given of it, not how long their files are.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The most files that are looked at for one figure.
const MAX_FILES: usize = 2_000_000;

/// The unit of `st_blocks` (POSIX leaves it open, Linux has this).
const BLOCK: u64 = 512;

/// What a folder takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Size {
    pub(super) bytes: u64,
    /// Whether it has too many files to look at all of them.
    pub(super) partial: bool,
}

impl Size {
    pub(super) fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.partial |= other.partial;
    }
}

/// Counts, and counts no file twice: one with several names counts where it is met first.
#[derive(Debug, Default)]
pub(super) struct Counter {
    seen: HashSet<(u64, u64)>,
}

impl Counter {
    /// What is at a path, with all that is in it; what cannot be read, or goes away meanwhile, takes nothing. Links are
    /// not followed, other file systems not entered.
    pub(super) fn of(&mut self, path: &Path) -> Size {
        let mut size = Size::default();
        let Ok(root) = fs::symlink_metadata(path) else { return size };
        let device = root.dev();
        let mut waiting: Vec<PathBuf> = vec![path.to_owned()];
        let mut files = 0;
        while let Some(path) = waiting.pop() {
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            let several = metadata.nlink() > 1 && !metadata.is_dir();
            if metadata.dev() != device || several && !self.seen.insert((device, metadata.ino())) {
                continue;
            }
            files += 1;
            if files > MAX_FILES {
                size.partial = true;
                return size;
            }
            size.bytes += metadata.blocks() * BLOCK;
            if metadata.is_dir() {
                waiting.extend(children(&path));
            }
        }
        size
    }
}

/// What is in a folder; nothing for what is none.
pub(super) fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// The last part of a path.
pub(super) fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_two_names_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        for path in [&a, &b] {
            fs::create_dir(path).unwrap();
        }
        fs::write(a.join("file"), vec![1; 100_000]).unwrap();
        fs::hard_link(a.join("file"), b.join("other")).unwrap();
        std::os::unix::fs::symlink("/usr", b.join("link")).unwrap();
        let mut counter = Counter::default();
        let first = counter.of(&a);
        assert!((100_000..200_000).contains(&first.bytes), "{first:?}");
        assert!(counter.of(&b).bytes < 20_000);
        assert_eq!(counter.of(&folder.path().join("none")), Size::default());
    }
}
