//! What `prepare` found out about a release, kept beside its folder: that it was finished, and what it made.

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use landfall_artifact::{Entry, Index, What};
use landfall_fx::Files;
use landfall_model::{Digest, Fault};
use serde::{Deserialize, Serialize};

use super::environment::Additions;

/// The version of this record's form.
const FORMAT: u32 = 1;

/// Written last by `prepare`: a release without it is not prepared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Prepared {
    format: u32,
    /// What dependencies add to the environment.
    pub(crate) additions: Additions,
    /// The keys of the prepared dependencies; they stay while a release needs them.
    pub(crate) dependencies: Vec<String>,
    /// The digest of the artifact's files after `build`, which may have changed some.
    pub(crate) files: Digest,
    /// Of a `site`: the digest of what is served.
    pub(crate) output: Option<Digest>,
}

impl Prepared {
    pub(crate) fn new(
        additions: Additions,
        dependencies: Vec<String>,
        files: Digest,
        output: Option<Digest>,
    ) -> Self {
        Self { format: FORMAT, additions, dependencies, files, output }
    }

    /// Reads the record of the release in `folder`; `None` when it is not prepared.
    pub(crate) fn load(files: &dyn Files, folder: &Path) -> Result<Option<Self>, Fault> {
        let path = record_path(folder);
        let bytes = match files.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fault::machine(format!("{} cannot be read: {error}", path.display()))),
        };
        let record: Option<Self> = serde_json::from_slice(&bytes).ok();
        // A record of another form is as good as none: the release is prepared again.
        Ok(record.filter(|record| record.format == FORMAT))
    }

    /// Writes the record, durably.
    pub(crate) fn save(&self, files: &dyn Files, folder: &Path) -> Result<(), Fault> {
        let path = record_path(folder);
        let bytes = serde_json::to_vec(self)
            .map_err(|e| Fault::internal(format!("a record has no JSON form: {e}")))?;
        files
            .replace(&path, &bytes)
            .map_err(|e| Fault::machine(format!("{} cannot be written: {e}", path.display())))
    }
}

/// `releases/VERSION.json` beside `releases/VERSION/`.
pub(crate) fn record_path(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".json");
    folder.with_file_name(name)
}

/// The digest of what lies in a folder now at the paths of an index; the index's own digest when nothing differs. What
/// lies beyond the index (what a build made, dependencies) is not looked at.
pub(crate) fn snapshot(folder: &Path, index: &Index) -> io::Result<Digest> {
    let mut found = Vec::new();
    for entry in &index.entries {
        let path = folder.join(&entry.path);
        let facts = match path.symlink_metadata() {
            Ok(facts) => facts,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let what = if facts.is_symlink() {
            What::Link { target: path.read_link()?.to_string_lossy().into_owned() }
        } else if facts.is_dir() {
            What::Folder {}
        } else {
            let mut hasher = blake3::Hasher::new();
            hasher.update_reader(File::open(&path)?)?;
            let digest = Digest::Blake3(*hasher.finalize().as_bytes());
            What::File { digest, size: facts.len(), executable: facts.permissions().mode() & 0o111 != 0 }
        };
        found.push(Entry { path: entry.path.clone(), what });
    }
    Ok(Digest::of(&Index::of(found).to_bytes()))
}
