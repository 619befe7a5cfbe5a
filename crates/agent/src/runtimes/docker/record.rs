//! What `prepare` found out about a release in a container, kept beside its folder.

use std::io;

use landfall_model::{Digest, Fault, Release};
use serde::{Deserialize, Serialize};

use crate::host::LocalHost;
use crate::runtimes::process::prepared::record_path;

/// The version of this record's form; other than that of a release whose instances are processes.
const FORMAT: u32 = 101;

/// Written last by `prepare`: a release without it is not prepared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Built {
    format: u32,
    /// The image: the digest that the engine knows it by, of its configuration or its manifest.
    pub(crate) image: Digest,
    /// What the image was made from (`build::Recipe`): the same gives the same image again. `None` of one that was there
    /// already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<Digest>,
    /// The name by which a registry has it, `registry.example.com/app@sha256:…`; `None` where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
    /// The tag that this version was given; `None` for an image that was there already.
    pub(crate) tag: Option<String>,
    /// The port inside that requests go to.
    pub(crate) port: u16,
    /// Whether the image has a health check of its own.
    pub(crate) checks_itself: bool,
    /// Whether the image's own command is what the manifest's `run` says, because Landfall wrote it there.
    pub(crate) says_run: bool,
    /// Who its processes are, in numbers; `None`: root, or somebody whom the image does not know.
    pub(crate) user: Option<(u32, u32)>,
    /// Of a `site`: the digest of what is served.
    pub(crate) output: Option<Digest>,
}

impl Built {
    pub(super) fn new(image: Digest, tag: Option<String>, port: u16) -> Self {
        Self {
            format: FORMAT,
            image,
            key: None,
            source: None,
            tag,
            port,
            checks_itself: false,
            says_run: false,
            user: None,
            output: None,
        }
    }
}

impl LocalHost {
    /// What `prepare` wrote down of a release in containers; `None` when it is not prepared.
    pub(crate) fn built(&self, release: &Release) -> Result<Option<Built>, Fault> {
        let path = record_path(&self.dir().release(release));
        let bytes = match self.files().read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fault::machine(format!("{} cannot be read: {error}", path.display()))),
        };
        let record: Option<Built> = serde_json::from_slice(&bytes).ok();
        Ok(record.filter(|record| record.format == FORMAT))
    }

    /// The same of a release that must be prepared.
    pub(super) fn built_before(&self, release: &Release) -> Result<Built, Fault> {
        self.built(release)?.ok_or_else(|| {
            Fault::machine(format!("nothing is known of the image of {}", release.id))
                .help("deploy it again: its image is then built or found anew")
        })
    }

    /// Writes the record, durably.
    pub(super) fn save_built(&self, release: &Release, built: &Built) -> Result<(), Fault> {
        let path = record_path(&self.dir().release(release));
        let bytes = serde_json::to_vec(built)
            .map_err(|e| Fault::internal(format!("a record has no JSON form: {e}")))?;
        let failed = |e: io::Error| Fault::machine(format!("{} cannot be written: {e}", path.display()));
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        self.files().replace(&path, &bytes).map_err(failed)
    }
}
