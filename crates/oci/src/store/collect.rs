//! Removes the images that no release needs any more.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_model::{Digest, Timestamp};

use super::{ImageError, Images};
use crate::manifest::Manifest;
use crate::name::{Repository, Target};

/// What collecting came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Manifests that were removed.
    pub manifests: usize,
    /// Blobs that were removed. Their chunks go when the content store is collected.
    pub blobs: usize,
    /// The chunks of what is still there: what the content store must keep.
    pub chunks: HashSet<Digest>,
}

impl Images {
    /// Removes every manifest but those of `keep` (their own digests, or those of their configurations, which engines call
    /// an image's id), what these refer to and what was attached to them; then the blobs that no manifest needs. What was put in or asked for less than `grace` before `now` stays: it may be on its way into a
    /// release.
    ///
    /// # Errors
    /// Any of the system's.
    pub fn collect(
        &self,
        keep: &HashSet<Digest>,
        now: Timestamp,
        grace: Duration,
    ) -> Result<Collected, ImageError> {
        let _changing = self.lock();
        let young = |path: &Path| {
            let modified = fs::metadata(path).and_then(|facts| facts.modified());
            modified.is_ok_and(|time| now.since(Timestamp::from(time)) < grace)
        };
        let mut done = Collected::default();
        let mut needed = HashSet::new();
        for repository in self.repositories()? {
            let all = self.manifests(&repository)?;
            let is_root = |digest: &&Digest| {
                keep.contains(*digest)
                    || young(&self.manifest_path(&repository, digest))
                    || self.config_of(&repository, digest).is_some_and(|config| keep.contains(&config))
            };
            let roots = all.iter().filter(is_root).copied().collect();
            let (kept, blobs) = self.reached(&repository, roots)?;
            for digest in all.iter().filter(|digest| !kept.contains(*digest)) {
                self.remove_manifest(&repository, digest)?;
                done.manifests += 1;
            }
            for (digest, link) in self.links(&repository)? {
                if !blobs.contains(&digest) && !young(&link) {
                    self.unlink(&link)?;
                }
            }
            needed.extend(blobs);
        }
        for (digest, path) in self.all_blobs()? {
            if needed.contains(&digest) || young(&path) {
                done.chunks.extend(Self::chunks_of(&path)?);
            } else {
                self.unlink(&path)?;
                done.blobs += 1;
            }
        }
        self.tidy()?;
        Ok(done)
    }

    /// The configuration of an image's manifest.
    fn config_of(&self, repository: &Repository, digest: &Digest) -> Option<Digest> {
        let stored = self.manifest(repository, &Target::Digest(*digest)).ok()?;
        Some(Manifest::parse(&stored.bytes, Some(&stored.media_type)).ok()?.config?.digest)
    }

    /// The manifests that can be reached from `roots`, and the blobs that they need.
    fn reached(
        &self,
        repository: &Repository,
        mut roots: Vec<Digest>,
    ) -> Result<(HashSet<Digest>, HashSet<Digest>), ImageError> {
        let (mut kept, mut blobs) = (HashSet::new(), HashSet::new());
        while let Some(digest) = roots.pop() {
            if !kept.insert(digest) {
                continue;
            }
            let stored = match self.manifest(repository, &Target::Digest(digest)) {
                Ok(stored) => stored,
                Err(ImageError::ManifestUnknown(..) | ImageError::Damaged(_)) => continue,
                Err(error) => return Err(error),
            };
            let Ok(manifest) = Manifest::parse(&stored.bytes, Some(&stored.media_type)) else { continue };
            blobs.extend(manifest.blobs().map(|blob| blob.digest));
            roots.extend(manifest.manifests.iter().map(|child| child.digest));
            roots.extend(self.referrers(repository, &digest)?.iter().map(|referrer| referrer.digest));
        }
        Ok((kept, blobs))
    }

    /// The blobs that belong to a repository, each with the file that says so.
    fn links(&self, repository: &Repository) -> Result<Vec<(Digest, PathBuf)>, ImageError> {
        let folder = self.repository(repository).join("_blobs");
        let names = self.names(&folder)?.into_iter();
        Ok(names
            .filter_map(|name| Some((format!("sha256:{name}").parse().ok()?, folder.join(name))))
            .collect())
    }

    /// Takes blobs that are gone out of their repositories, and folders that are empty.
    fn tidy(&self) -> Result<(), ImageError> {
        for repository in self.repositories()?.iter().rev() {
            let folder = self.repository(repository);
            for (digest, link) in self.links(repository)? {
                if !self.blob_path(&digest).exists() {
                    self.unlink(&link)?;
                }
            }
            let below = ["_manifests", "_tags", "_blobs", "_referrers"].map(|name| folder.join(name));
            let subjects = self.names(&below[3])?.into_iter().map(|name| below[3].join(name));
            // One that is not empty stays.
            subjects.chain(below.clone()).for_each(|path| drop(fs::remove_dir(path)));
            let top = self.root.join("repositories");
            folder.ancestors().take_while(|path| *path != top).for_each(|path| drop(fs::remove_dir(path)));
        }
        Ok(())
    }
}
