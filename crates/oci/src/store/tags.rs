//! Tags: names of manifests that can move.

use std::path::PathBuf;

use landfall_model::Digest;

use super::{ImageError, Images, read_if_there};
use crate::name::{Repository, Tag};

/// The most tags one repository may have.
pub const MAX_TAGS: usize = 10_000;

/// How the name of a tag's file ends: no tag holds it, so that a file that is still being written is told apart.
const END: char = '+';

/// The longest digest as text.
const MAX_DIGEST: u64 = 80;

impl Images {
    /// The tags of a repository, in the order of their bytes.
    ///
    /// # Errors
    /// [`ImageError::NameUnknown`], the system's.
    pub fn tags(&self, repository: &Repository) -> Result<Vec<String>, ImageError> {
        let folder = self.repository(repository);
        if !folder.join("_manifests").is_dir() && !folder.join("_blobs").is_dir() {
            return Err(ImageError::NameUnknown(repository.clone()));
        }
        self.tag_names(repository)
    }

    /// The same, of a repository that need not be there.
    pub(super) fn tag_names(&self, repository: &Repository) -> Result<Vec<String>, ImageError> {
        let names = self.names(&self.repository(repository).join("_tags"))?;
        let mut tags: Vec<_> =
            names.iter().filter_map(|name| name.strip_suffix(END)).map(str::to_owned).collect();
        tags.sort();
        Ok(tags)
    }

    /// What a tag names.
    pub(super) fn tag(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, ImageError> {
        let text = read_if_there(&self.tag_path(repository, tag), MAX_DIGEST)?;
        Ok(text.and_then(|text| str::from_utf8(&text).ok()?.trim().parse().ok()))
    }

    pub(super) fn set_tag(
        &self,
        repository: &Repository,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), ImageError> {
        let path = self.tag_path(repository, tag);
        if !path.exists() && self.tag_names(repository)?.len() >= MAX_TAGS {
            return Err(ImageError::TooManyTags);
        }
        self.replace(&path, format!("{digest}\n").as_bytes())
    }

    /// Whether it was there.
    pub(super) fn remove_tag(&self, repository: &Repository, tag: &Tag) -> Result<bool, ImageError> {
        self.unlink(&self.tag_path(repository, tag))
    }

    fn tag_path(&self, repository: &Repository, tag: &Tag) -> PathBuf {
        self.repository(repository).join("_tags").join(format!("{tag}{END}"))
    }
}
