//! Which files of an archive make the image.

use landfall_model::Digest;
use serde::Deserialize;

use super::contents::Contents;
use super::{ArchiveError, read_small};
use crate::manifest::{Descriptor, MAX_MANIFEST, Manifest, Platform};
use crate::store::Images;

/// How deep indexes may lie in each other.
const MAX_DEPTH: usize = 4;

/// The paths of an image's parts in the archive.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) config: String,
    /// The lowest first.
    pub(super) layers: Vec<String>,
}

/// What an image's configuration says, as far as it counts here.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    architecture: String,
    os: String,
    #[serde(default)]
    variant: Option<String>,
    pub(super) rootfs: RootFs,
}

impl Config {
    pub(super) fn platform(&self) -> Platform {
        let variant = self.variant.clone().filter(|text| !text.is_empty());
        Platform { architecture: self.architecture.clone(), os: self.os.clone(), variant }
    }
}

/// The layers of a configuration.
#[derive(Debug, Deserialize)]
pub(super) struct RootFs {
    /// The digests of the layers before compression, the lowest first. An image of no layers may have none.
    #[serde(default)]
    pub(super) diff_ids: Vec<Digest>,
}

/// An entry of `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// Finds the one image that is meant.
///
/// # Errors
/// None, several, or one whose description is broken.
pub(super) fn find(
    contents: &Contents,
    images: &Images,
    wanted: Option<&Platform>,
) -> Result<Parts, ArchiveError> {
    if let Some(text) = &contents.manifest {
        let saved: Vec<Saved> =
            serde_json::from_slice(text).map_err(|error| ArchiveError::Broken("manifest.json", error))?;
        let count = saved.len();
        return match <[Saved; 1]>::try_from(saved) {
            Ok([one]) => Ok(Parts { config: one.config, layers: one.layers.unwrap_or_default() }),
            Err(_) if count == 0 => Err(ArchiveError::NoImage),
            Err(_) => Err(ArchiveError::Several(count)),
        };
    }
    let text = contents.index.as_ref().ok_or(ArchiveError::NoImage)?;
    let mut manifest = Manifest::parse(text, None)?;
    for _ in 0..MAX_DEPTH {
        if let Some(config) = &manifest.config {
            let layers = manifest.layers.iter().map(|layer| path(&layer.digest)).collect();
            return Ok(Parts { config: path(&config.digest), layers });
        }
        let chosen = choose(&manifest, wanted)?;
        let file = contents.file(&path(&chosen.digest))?;
        let bytes = read_small(images, &file.digest, MAX_MANIFEST)?;
        manifest = Manifest::parse(&bytes, None)?;
    }
    Err(ArchiveError::NoImage)
}

fn choose<'m>(index: &'m Manifest, wanted: Option<&Platform>) -> Result<&'m Descriptor, ArchiveError> {
    if let Some(wanted) = wanted {
        return index.choose(wanted).ok_or_else(|| ArchiveError::NoPlatform(wanted.clone()));
    }
    let images: Vec<_> = index.manifests.iter().filter(|entry| !entry.is_attestation()).collect();
    match images.as_slice() {
        [one] => Ok(one),
        [] => Err(ArchiveError::NoImage),
        several => Err(ArchiveError::Several(several.len())),
    }
}

fn path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}
