//! Looks for a byte string where it must not be: in every file below a folder, in names, and in what was printed.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Bytes read at a time.
const CHUNK: usize = 256 * 1024;

/// Where a byte string was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// In a file, at this byte.
    File(PathBuf, u64),
    /// In the name of a file or folder, or in what a link points to.
    Name(PathBuf),
    /// In a text given to [`find_in`], which has this name.
    Text(String, usize),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, at) => write!(f, "{} at byte {at}", path.display()),
            Self::Name(path) => write!(f, "the name {}", path.display()),
            Self::Text(name, at) => write!(f, "{name} at byte {at}"),
        }
    }
}

/// Every place below `root` that holds `value`. Follows no links and opens neither sockets nor pipes; a file that
/// vanishes meanwhile is passed over.
///
/// # Errors
/// What cannot be read, because then nobody knows what is in it.
///
/// # Panics
/// When `value` is empty, for that is everywhere.
pub fn find_secret(root: &Path, value: &[u8]) -> io::Result<Vec<Found>> {
    assert!(!value.is_empty(), "an empty value is everywhere");
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Some(entries) = unless_gone(std::fs::read_dir(&folder))? else { continue };
        for entry in entries {
            let path = entry?.path();
            let Some(facts) = unless_gone(path.symlink_metadata())? else { continue };
            let name = path.file_name().unwrap_or_default();
            let target = if facts.is_symlink() { unless_gone(path.read_link())? } else { None };
            let target = target.unwrap_or_default();
            if holds(name.as_bytes(), value) || holds(target.as_os_str().as_bytes(), value) {
                found.push(Found::Name(path.clone()));
            }
            if facts.is_dir() {
                folders.push(path);
            } else if facts.is_file()
                && let Some(file) = unless_gone(File::open(&path))?
                && let Some(at) = position(file, value)?
            {
                found.push(Found::File(path, at));
            }
        }
    }
    Ok(found)
}

/// The first place in each of the named texts that holds `value`.
///
/// # Panics
/// When `value` is empty.
pub fn find_in<'a>(texts: impl IntoIterator<Item = (String, &'a [u8])>, value: &[u8]) -> Vec<Found> {
    assert!(!value.is_empty(), "an empty value is everywhere");
    let look = |(name, text): (String, &[u8])| offset(text, value).map(|at| Found::Text(name, at));
    texts.into_iter().filter_map(look).collect()
}

fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn holds(text: &[u8], value: &[u8]) -> bool {
    offset(text, value).is_some()
}

fn offset(text: &[u8], value: &[u8]) -> Option<usize> {
    text.windows(value.len()).position(|window| window == value)
}

/// The first place in a file that holds `value`, also where it lies across two chunks.
fn position(mut file: File, value: &[u8]) -> io::Result<Option<u64>> {
    let mut window = Vec::with_capacity(CHUNK + value.len());
    let mut before = 0_u64;
    loop {
        let got = file.by_ref().take(CHUNK as u64).read_to_end(&mut window)?;
        if let Some(at) = offset(&window, value) {
            return Ok(Some(before + at as u64));
        }
        if got == 0 {
            return Ok(None);
        }
        let cut = window.len().saturating_sub(value.len() - 1);
        window.drain(..cut);
        before += cut as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const VALUE: &[u8] = b"hunter2-and-more";

    #[test]
    fn finds_it_in_files_names_links_and_texts() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        fs::write(root.path().join("a/b/clean"), vec![b'x'; 3 * CHUNK]).unwrap();
        assert_eq!(find_secret(root.path(), VALUE).unwrap(), []);

        // Across the border of two chunks.
        let mut bytes = vec![b'x'; CHUNK - 5];
        bytes.extend_from_slice(VALUE);
        fs::write(root.path().join("a/b/log"), &bytes).unwrap();
        fs::write(root.path().join("a/hunter2-and-more.txt"), b"").unwrap();
        std::os::unix::fs::symlink("/nowhere/hunter2-and-more", root.path().join("link")).unwrap();
        let mut found = find_secret(root.path(), VALUE).unwrap();
        found.sort_by_key(ToString::to_string);
        let log = Found::File(root.path().join("a/b/log"), (CHUNK - 5) as u64);
        assert!(found.contains(&log), "{found:?}");
        assert_eq!(found.len(), 3, "{found:?}");

        let texts = [("one".to_owned(), &b"nothing"[..]), ("two".to_owned(), &bytes[..])];
        assert_eq!(find_in(texts, VALUE), [Found::Text("two".to_owned(), CHUNK - 5)]);
    }
}
