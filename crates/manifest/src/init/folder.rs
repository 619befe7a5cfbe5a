//! A folder as `init` looks at it: small files only, nothing followed far.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The most that is read of a file, in bytes.
const MAX_FILE: u64 = 512 * 1024;
/// Files of a kind that are read, at most.
const MAX_SOURCES: usize = 200;
/// Folders that hold no source of the owner's.
const FOREIGN: [&str; 9] =
    ["node_modules", "venv", "env", "__pycache__", "target", "dist", "build", "tests", "test"];

/// A folder.
pub(super) struct Folder {
    path: PathBuf,
    names: Vec<String>,
}

impl Folder {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let entries = fs::read_dir(path)?;
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        Ok(Self { path: path.to_owned(), names })
    }

    /// A folder in it.
    pub(super) fn inner(&self, name: &str) -> io::Result<Self> {
        Self::open(&self.path.join(name))
    }

    /// Its own name, also when it was opened as `.`.
    pub(super) fn name(&self) -> String {
        let path = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    pub(super) fn has(&self, file: &str) -> bool {
        self.path.join(file).is_file()
    }

    pub(super) fn has_folder(&self, name: &str) -> bool {
        self.path.join(name).is_dir()
    }

    /// The first of the files that is there.
    pub(super) fn first<'a>(&self, files: &[&'a str]) -> Option<&'a str> {
        files.iter().copied().find(|file| self.has(file))
    }

    /// The start of a file, if it is one and text.
    pub(super) fn read(&self, file: &str) -> Option<String> {
        let path = self.path.join(file);
        if !path.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        File::open(path).ok()?.take(MAX_FILE).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The names of the folders in it that may hold source, sorted.
    pub(super) fn folders(&self) -> Vec<String> {
        let own = |name: &&String| !name.starts_with('.') && !FOREIGN.contains(&name.as_str());
        self.names.iter().filter(own).filter(|name| self.has_folder(name)).cloned().collect()
    }

    /// The files with this ending in it and in those of its folders that are `wanted`, with their text; those of the
    /// folder itself first.
    pub(super) fn sources(&self, ending: &str, wanted: impl Fn(&Self) -> bool) -> Vec<(String, String)> {
        let own = self.names.iter().filter(|name| name.ends_with(ending)).cloned();
        let inner = self.folders().into_iter().filter_map(|name| Some((self.inner(&name).ok()?, name)));
        let inner = inner.filter(|(folder, _)| wanted(folder));
        let inner = inner.flat_map(|(folder, name)| {
            let files: Vec<String> =
                folder.names.iter().filter(|file| file.ends_with(ending)).cloned().collect();
            files.into_iter().map(move |file| format!("{name}/{file}"))
        });
        let files = own.chain(inner).take(MAX_SOURCES);
        files.filter_map(|file| Some((self.read(&file)?, file))).map(|(text, file)| (file, text)).collect()
    }
}
