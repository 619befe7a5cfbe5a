//! What `prepare` found out about a release of a compose project, kept beside its folder: each part's image by digest.
//! What runs is compared with this, and a rollback starts exactly this.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use landfall_fx::Files;
use landfall_model::{Fault, Millis};
use serde::{Deserialize, Serialize};

/// The version of this record's form.
const FORMAT: u32 = 1;

/// Written last by `prepare`: a release without it is not prepared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pinned {
    format: u32,
    /// The parts that run, by name.
    pub(super) parts: BTreeMap<String, PinnedPart>,
    /// The project's secrets that are files of the sources, and are not among them: the manifest's secrets stand for
    /// them. Name in the compose file to name in the manifest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) secret_files: BTreeMap<String, String>,
    /// The part that answers, and the port that it listens on inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) answers: Option<(String, u16)>,
    /// The part whose image the test gate runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tested: Option<String>,
}

/// One part of the project.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PinnedPart {
    /// What its containers are made from: `postgres@sha256:…`, or the image's id where no registry has it.
    pub(super) image: String,
    /// The image's id in this engine.
    pub(super) id: String,
    /// The name that led to it: ours of an image that was built, that of the compose file otherwise.
    pub(super) name: String,
    /// Whether it was built here.
    pub(super) built: bool,
    /// Containers.
    pub(super) scale: u32,
    /// Whether a container that ended well is done.
    pub(super) ends: bool,
    /// Whether it gets the variables and secrets of the manifest.
    pub(super) given: bool,
    /// The parts that must be there before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) after: Vec<String>,
    /// The time its containers have to stop, where the compose file says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) grace: Option<Millis>,
    /// The manifest's secrets that it reads through `secrets` of the compose file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) reads: Vec<String>,
    /// Whether it reads `secrets` or `configs` that are files of the sources.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) sourced: bool,
    /// Folders that it writes into below the sources and that are none of them: path there to path in the container.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) kept: BTreeMap<String, String>,
}

impl Pinned {
    pub(super) fn new(parts: BTreeMap<String, PinnedPart>) -> Self {
        Self { format: FORMAT, parts, secret_files: BTreeMap::new(), answers: None, tested: None }
    }

    /// Whether the two differ in nothing but images.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let bare = |pinned: &Self| {
            let mut bare = pinned.clone();
            for part in bare.parts.values_mut() {
                (part.image, part.id, part.name) = Default::default();
            }
            bare
        };
        bare(self) == bare(other)
    }

    /// Whether a part that ends has failed, however well it ended: requests go to it.
    pub(super) fn must_run(&self, part: &str) -> bool {
        self.answers.as_ref().is_some_and(|(answers, _)| answers == part)
    }

    /// Reads the record of the release in `folder`; `None` when it is not prepared.
    pub(super) fn load(files: &dyn Files, folder: &Path) -> Result<Option<Self>, Fault> {
        let path = record(folder);
        let bytes = match files.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fault::machine(format!("{} cannot be read: {error}", path.display()))),
        };
        let pinned: Option<Self> = serde_json::from_slice(&bytes).ok();
        // A record of another form is as good as none: the release is prepared again.
        Ok(pinned.filter(|pinned| pinned.format == FORMAT))
    }

    /// Writes the record, durably.
    pub(super) fn save(&self, files: &dyn Files, folder: &Path) -> Result<(), Fault> {
        let path = record(folder);
        let bytes = serde_json::to_vec_pretty(self)
            .map_err(|e| Fault::internal(format!("a record has no JSON form: {e}")))?;
        files
            .replace(&path, &bytes)
            .map_err(|e| Fault::machine(format!("{} cannot be written: {e}", path.display())))
    }
}

/// What the name of a release's folder is followed by in that of what Landfall writes beside it.
pub(crate) const BESIDE: &str = ".compose";

/// The folder of what Landfall writes for a release beside its sources: `releases/VERSION.compose/`.
pub(super) fn own_folder(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(BESIDE);
    folder.with_file_name(name)
}

/// The record, in that folder.
pub(super) fn record(folder: &Path) -> PathBuf {
    own_folder(folder).join("pinned.json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_fx::RealFiles;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let release = folder.path().join("1.0.0-20260101000001");
        std::fs::create_dir(own_folder(&release)).unwrap();
        assert_eq!(Pinned::load(&RealFiles, &release).unwrap(), None);
        let part =
            PinnedPart { image: "sha256:1".into(), id: "sha256:1".into(), scale: 1, ..Default::default() };
        let pinned = Pinned::new([("web".to_owned(), part)].into());
        pinned.save(&RealFiles, &release).unwrap();
        assert_eq!(Pinned::load(&RealFiles, &release).unwrap(), Some(pinned));
        std::fs::write(record(&release), "{\"format\":2}").unwrap();
        assert_eq!(Pinned::load(&RealFiles, &release).unwrap(), None);
    }
}
