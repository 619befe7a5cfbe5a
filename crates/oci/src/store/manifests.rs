//! Manifests by digest, and what was attached to them.

use std::path::PathBuf;

use landfall_artifact::touch;
use landfall_model::Digest;

use super::{ImageError, Images, read_if_there};
use crate::manifest::{Descriptor, MAX_MANIFEST, Manifest};
use crate::name::{Repository, Tag, Target};
use crate::sha::Sha256;

/// The longest media type in bytes.
const MAX_MEDIA_TYPE: usize = 255;

/// A manifest as it lies in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    /// Its SHA-256 digest.
    pub digest: Digest,
    /// What it was called when it was put in.
    pub media_type: String,
    /// Its bytes, exactly as they came.
    pub bytes: Vec<u8>,
}

impl Images {
    /// Puts a manifest in, after everything that it refers to: its subject alone may come later. Gives its digest and what
    /// it says.
    ///
    /// # Errors
    /// [`ImageError::Manifest`], [`ImageError::ManifestTooLarge`], [`ImageError::Mismatch`] when `target` is another
    /// digest, [`ImageError::Dangling`], [`ImageError::TooManyTags`], the system's.
    pub fn put_manifest(
        &self,
        repository: &Repository,
        target: &Target,
        media_type: Option<&str>,
        bytes: &[u8],
    ) -> Result<(Digest, Manifest), ImageError> {
        if bytes.len() as u64 > MAX_MANIFEST {
            return Err(ImageError::ManifestTooLarge);
        }
        let manifest = Manifest::parse(bytes, media_type)?;
        let digest = Sha256::of(bytes);
        if let Target::Digest(expected) = target
            && *expected != digest
        {
            return Err(ImageError::Mismatch { expected: *expected, found: digest });
        }
        if manifest.media_type.len() > MAX_MEDIA_TYPE || manifest.media_type.contains(['\n', '\r']) {
            return Err(crate::manifest::ManifestError::Neither.into());
        }
        let _changing = self.lock();
        for blob in manifest.blobs() {
            self.blob_in(repository, &blob.digest).map_err(dangling)?;
        }
        for child in &manifest.manifests {
            if !touch(&self.manifest_path(repository, &child.digest)) {
                return Err(ImageError::Dangling(child.digest));
            }
        }
        let mut stored = manifest.media_type.clone().into_bytes();
        stored.push(b'\n');
        stored.extend_from_slice(bytes);
        self.replace(&self.manifest_path(repository, &digest), &stored)?;
        if let Some(subject) = &manifest.subject {
            self.mark(&self.referrers_of(repository, &subject.digest).join(digest.hex()))?;
        }
        if let Target::Tag(tag) = target {
            self.set_tag(repository, tag, &digest)?;
        }
        Ok((digest, manifest))
    }

    /// Reads a manifest and checks it.
    ///
    /// # Errors
    /// [`ImageError::ManifestUnknown`], [`ImageError::Damaged`], the system's.
    pub fn manifest(&self, repository: &Repository, target: &Target) -> Result<StoredManifest, ImageError> {
        let unknown = || ImageError::ManifestUnknown(repository.clone(), target.clone());
        let digest = match target {
            Target::Digest(digest) => *digest,
            Target::Tag(tag) => self.tag(repository, tag)?.ok_or_else(unknown)?,
        };
        let path = self.manifest_path(repository, &digest);
        let most = MAX_MANIFEST + MAX_MEDIA_TYPE as u64 + 1;
        let stored = read_if_there(&path, most)?.ok_or_else(unknown)?;
        let parts = stored.iter().position(|byte| *byte == b'\n').map(|at| stored.split_at(at));
        let parts = parts.and_then(|(kind, rest)| Some((str::from_utf8(kind).ok()?, rest.get(1..)?)));
        match parts {
            Some((media_type, bytes)) if Sha256::of(bytes) == digest => {
                Ok(StoredManifest { digest, media_type: media_type.to_owned(), bytes: bytes.to_vec() })
            }
            _ => {
                self.unlink(&path)?;
                Err(ImageError::Damaged(digest))
            }
        }
    }

    /// Removes a manifest with the tags that name it, or a tag alone.
    ///
    /// # Errors
    /// [`ImageError::ManifestUnknown`], the system's.
    pub fn delete_manifest(&self, repository: &Repository, target: &Target) -> Result<(), ImageError> {
        let _changing = self.lock();
        let was = match target {
            Target::Tag(tag) => self.remove_tag(repository, tag)?,
            Target::Digest(digest) => self.remove_manifest(repository, digest)?,
        };
        if was { Ok(()) } else { Err(ImageError::ManifestUnknown(repository.clone(), target.clone())) }
    }

    /// What was attached to a manifest, whether that is there or not; sorted by digest.
    ///
    /// # Errors
    /// Any of the system's.
    pub fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>, ImageError> {
        let mut found = Vec::new();
        for name in self.names(&self.referrers_of(repository, subject))? {
            let Ok(digest) = format!("sha256:{name}").parse() else { continue };
            let stored = match self.manifest(repository, &Target::Digest(digest)) {
                Ok(stored) => stored,
                Err(ImageError::ManifestUnknown(..) | ImageError::Damaged(_)) => continue,
                Err(error) => return Err(error),
            };
            let manifest = Manifest::parse(&stored.bytes, Some(&stored.media_type))?;
            let mut entry = Descriptor::new(&stored.media_type, digest, stored.bytes.len() as u64);
            entry.artifact_type = manifest.artifact_type;
            entry.annotations = manifest.annotations;
            found.push(entry);
        }
        Ok(found)
    }

    /// The digests of all manifests of a repository, sorted.
    pub(super) fn manifests(&self, repository: &Repository) -> Result<Vec<Digest>, ImageError> {
        let names = self.names(&self.repository(repository).join("_manifests"))?;
        Ok(names.iter().filter_map(|name| format!("sha256:{name}").parse().ok()).collect())
    }

    /// Removes a manifest, its tags, and that it was attached to something; whether it was there.
    pub(super) fn remove_manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<bool, ImageError> {
        let subject = match self.manifest(repository, &Target::Digest(*digest)) {
            Ok(stored) => Manifest::parse(&stored.bytes, None).ok().and_then(|manifest| manifest.subject),
            Err(_) => None,
        };
        for name in self.tag_names(repository)? {
            let Ok(tag) = name.parse::<Tag>() else { continue };
            if self.tag(repository, &tag)? == Some(*digest) {
                self.remove_tag(repository, &tag)?;
            }
        }
        if let Some(subject) = subject {
            self.unlink(&self.referrers_of(repository, &subject.digest).join(digest.hex()))?;
        }
        self.unlink(&self.manifest_path(repository, digest))
    }

    pub(super) fn manifest_path(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        self.repository(repository).join("_manifests").join(digest.hex())
    }

    fn referrers_of(&self, repository: &Repository, subject: &Digest) -> PathBuf {
        self.repository(repository).join("_referrers").join(subject.hex())
    }
}

fn dangling(error: ImageError) -> ImageError {
    match error {
        ImageError::BlobUnknown(digest) => ImageError::Dangling(digest),
        other => other,
    }
}
