//! Why something cannot be put into the image store or taken out.

use std::io;
use std::path::{Path, PathBuf};

use landfall_artifact::StoreError;
use landfall_model::{Blame, Digest, Fault, FaultKind, Retry};

use crate::manifest::{MAX_MANIFEST, ManifestError};
use crate::name::{Repository, Target};
use crate::store::{MAX_BLOB, MAX_TAGS};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// No such blob, in the repository or at all.
    #[error("the image store has no blob {0}")]
    BlobUnknown(Digest),
    /// No such manifest in the repository.
    #[error("the image store has no {0}@{1}")]
    ManifestUnknown(Repository, Target),
    /// No such repository.
    #[error("the image store has no repository {0}")]
    NameUnknown(Repository),
    /// What came is not what was announced.
    #[error("what came for {expected} is {found}")]
    Mismatch {
        /// What was announced.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// More came than a blob may have.
    #[error("a blob may have at most {MAX_BLOB} bytes")]
    TooLarge,
    /// More came than a manifest may have.
    #[error("a manifest may have at most {MAX_MANIFEST} bytes")]
    ManifestTooLarge,
    /// What should be a manifest is none.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A manifest that refers to what was not put in before it.
    #[error("the manifest refers to {0}, which the repository does not have")]
    Dangling(Digest),
    /// A repository is full.
    #[error("a repository may have at most {MAX_TAGS} tags")]
    TooManyTags,
    /// What was stored is not what its name says; it counts as missing from now on.
    #[error("the stored {0} is damaged; it was taken out of the store")]
    Damaged(Digest),
    /// A chunk cannot be written or read.
    #[error(transparent)]
    Chunk(#[from] StoreError),
    /// The system refused.
    #[error("{what} {}: {error}", .path.display())]
    Io {
        /// What was tried: `cannot write`.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

/// How a push begins to be refused for which the store's disk has no room.
pub const NO_ROOM: &str = "the image store has no room";

impl ImageError {
    /// Whether the store's disk is full.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Chunk(error) => error.is_full(),
            Self::Io { error, .. } => {
                matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            _ => false,
        }
    }

    pub(crate) fn io<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |error| Self::Io { what, path: path.to_owned(), error }
    }
}

impl From<ImageError> for Fault {
    fn from(error: ImageError) -> Self {
        let message = error.to_string();
        let again = |blame| {
            Self::new(FaultKind::Failed, blame, Retry::Safe, message.clone())
                .help("deploy again: the image is put into the store anew")
        };
        match error {
            ImageError::Chunk(error) => error.into(),
            ImageError::Io { what, path, error } => StoreError::Io { what, path, error }.into(),
            ImageError::Damaged(_) => again(Blame::Machine),
            ImageError::BlobUnknown(_)
            | ImageError::ManifestUnknown(..)
            | ImageError::NameUnknown(_)
            | ImageError::Dangling(_) => again(Blame::Landfall),
            ImageError::Mismatch { .. } => again(Blame::Machine),
            ImageError::TooLarge | ImageError::ManifestTooLarge | ImageError::TooManyTags => {
                Self::refused(message)
                    .help("make the image smaller: the limits are in the reference of the image store")
            }
            ImageError::Manifest(_) => Self::new(FaultKind::Failed, Blame::Machine, Retry::AfterFix, message)
                .help("look at what made the image: its manifest is broken"),
        }
    }
}
