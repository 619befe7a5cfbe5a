//! Reads back what lies in a release's folder: the proof of what runs.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use landfall_model::{Blame, Digest, Fault, FaultKind, Retry};

use crate::hashing;
use crate::index::{Entry, Index, What, ancestors};

/// The first path of a folder that is not what the index says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct Mismatch {
    /// The path, relative to the folder.
    pub path: String,
    /// What is wrong, as people read it.
    pub why: String,
}

impl From<Mismatch> for Fault {
    fn from(mismatch: Mismatch) -> Self {
        let message = format!("the release's files are not the artifact's: {mismatch}");
        Self::new(FaultKind::Failed, Blame::Application, Retry::AfterFix, message).help(
            "files of a release are never changed after it was made; write to a volume, or let `build` write beside \
             its sources",
        )
    }
}

/// Reads every path of the index in `folder` again and gives the digest of what is really there, which is the index's
/// own. What lies in the folder beyond the index (what a build made, prepared dependencies) is not looked at.
///
/// # Errors
/// The first path that differs: missing, of another kind, length, content or mode, or below a folder that became a link.
pub fn verify(folder: &Path, index: &Index) -> Result<Digest, Mismatch> {
    let mut real_folders = HashSet::new();
    let mut files: Vec<(&str, Digest, PathBuf)> = Vec::new();
    for Entry { path, what } in &index.entries {
        let wrong = |why: &str| Mismatch { path: path.clone(), why: why.to_owned() };
        for above in ancestors(path) {
            if !real_folders.contains(above) {
                let facts = facts(folder, above)?;
                if !facts.is_dir() {
                    return Err(Mismatch { path: above.to_owned(), why: "is no folder any more".to_owned() });
                }
                real_folders.insert(above);
            }
        }
        let here = folder.join(path);
        let facts = facts(folder, path)?;
        match what {
            What::Folder {} if facts.is_dir() => {}
            What::Link { target } if facts.is_symlink() => {
                let held = fs::read_link(&here).map_err(|error| wrong(&error.to_string()))?;
                if held != Path::new(target) {
                    return Err(wrong("leads elsewhere"));
                }
            }
            What::File { digest, size, executable } if facts.is_file() => {
                if facts.len() != *size {
                    return Err(wrong("has another length"));
                }
                if (facts.permissions().mode() & 0o111 != 0) != *executable {
                    return Err(wrong("has another mode"));
                }
                files.push((path, *digest, here));
            }
            What::Folder {} => return Err(wrong("is no folder any more")),
            What::Link { .. } => return Err(wrong("is no link any more")),
            What::File { .. } => return Err(wrong("is no file any more")),
        }
    }
    let paths: Vec<PathBuf> = files.iter().map(|(_, _, here)| here.clone()).collect();
    let read = hashing::files(&paths, crate::MAX_FILE)
        .map_err(|(at, error)| Mismatch { path: files[at].0.to_owned(), why: error.to_string() })?;
    for ((path, digest, _), (found, _)) in files.into_iter().zip(read) {
        if digest != found {
            return Err(Mismatch { path: path.to_owned(), why: "has another content".to_owned() });
        }
    }
    Ok(Digest::of(&index.to_bytes()))
}

fn facts(folder: &Path, path: &str) -> Result<fs::Metadata, Mismatch> {
    fs::symlink_metadata(folder.join(path)).map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "is not there".to_owned(),
            _ => error.to_string(),
        };
        Mismatch { path: path.to_owned(), why }
    })
}
