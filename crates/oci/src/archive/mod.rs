//! Image archives, as `docker save`, podman, buildah and skopeo write them: a tar stream with an image's configuration
//! and layers, in Docker's layout (a folder for each layer, `manifest.json`), in that of OCI (`blobs/`, `index.json`), or
//! in both. What an archive says comes at its end, so that everything that may be part of an image is stored as it passes.
//!
//! Layers are stored as they are before compression: compressed ones share no chunks with each other. The manifest is
//! made anew for them; the configuration, whose digest is the image's id, stays as it is.

mod contents;
mod error;
mod image;
mod stream;

use std::io::Read;

use landfall_model::Digest;

pub use error::ArchiveError;
pub use stream::import_stream;

use self::contents::{Contents, read};
use self::image::{Parts, find};
use crate::manifest::{Descriptor, Manifest, Platform, media};
use crate::name::{Repository, Target};
use crate::store::{ImageError, Images};

/// The largest configuration of an image in bytes.
pub const MAX_CONFIG: u64 = 4 * 1024 * 1024;

/// An image that came out of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The digest of its manifest: what it is pulled by.
    pub manifest: Digest,
    /// The digest of its configuration: what engines call its id.
    pub config: Digest,
    /// What it runs on.
    pub platform: Platform,
    /// Bytes of its layers.
    pub size: u64,
    /// Bytes that the store did not have before.
    pub new: u64,
    /// Bytes of layers that were not even read, because the archive named them by their digest.
    pub skipped: u64,
}

/// Puts the one image of an archive into a repository of the store. Of an archive with several images for several
/// platforms, that for `wanted`.
///
/// # Errors
/// See [`ArchiveError`]. What was stored until then is collected later.
pub fn import(
    images: &Images,
    repository: &Repository,
    archive: &mut dyn Read,
    wanted: Option<&Platform>,
) -> Result<Imported, ArchiveError> {
    let contents = read(images, archive)?;
    let parts = find(&contents, images, wanted)?;
    let config = contents.file(&parts.config)?;
    let text = read_small(images, &config.digest, MAX_CONFIG)?;
    let facts: image::Config = serde_json::from_slice(&text).map_err(ArchiveError::Config)?;
    let layers = layers(&contents, &parts, &facts)?;
    let described = Descriptor::new(media::CONFIG, config.digest, config.size);
    let manifest = Manifest::image(&described, &layers);
    for blob in layers.iter().chain([&described]) {
        images.adopt(repository, &blob.digest)?;
    }
    let target = Target::Digest(crate::Sha256::of(&manifest));
    let (digest, _) = images.put_manifest(repository, &target, Some(media::MANIFEST), &manifest)?;
    Ok(Imported {
        manifest: digest,
        config: config.digest,
        platform: facts.platform(),
        size: layers.iter().map(|layer| layer.size).sum(),
        new: contents.new,
        skipped: contents.skipped,
    })
}

/// The layers as they are stored, each what the configuration says that it is.
fn layers(
    contents: &Contents,
    parts: &Parts,
    config: &image::Config,
) -> Result<Vec<Descriptor>, ArchiveError> {
    let expected = &config.rootfs.diff_ids;
    if expected.len() != parts.layers.len() {
        return Err(ArchiveError::Layers { said: expected.len(), found: parts.layers.len() });
    }
    let described = parts.layers.iter().zip(expected).map(|(path, expected)| {
        let file = contents.file(path)?;
        if !file.zstd && file.digest != *expected {
            return Err(ArchiveError::Layer { path: path.clone(), expected: *expected, found: file.digest });
        }
        let kind = if file.zstd { media::LAYER_ZSTD } else { media::LAYER };
        Ok(Descriptor::new(kind, file.digest, file.size))
    });
    described.collect()
}

/// Reads a small blob into memory.
fn read_small(images: &Images, digest: &Digest, most: u64) -> Result<Vec<u8>, ArchiveError> {
    let blob = images.blob(digest)?;
    if blob.size() > most {
        return Err(ImageError::ManifestTooLarge.into());
    }
    let mut reader = blob.read_all();
    let mut bytes = Vec::new();
    while let Some(next) = reader.next_bytes()? {
        bytes.extend_from_slice(&next);
    }
    Ok(bytes)
}
