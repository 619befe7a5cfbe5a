//! Why an archive gives no image.

use std::io;

use landfall_model::{Blame, Digest, Fault, FaultKind, Retry};

use crate::manifest::{ManifestError, Platform};
use crate::store::ImageError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The stream broke off, or is no tar archive.
    #[error("the image archive cannot be read: {0}")]
    Stream(#[source] io::Error),
    /// Neither `manifest.json` nor `index.json` is in it.
    #[error("the archive holds no image: it has neither `manifest.json` nor `index.json`")]
    NoImage,
    /// More files than an image has.
    #[error("the archive has more than {0} files")]
    TooMany(usize),
    /// It holds several images, and nothing says which is meant.
    #[error("the archive holds {0} images, one is expected")]
    Several(usize),
    /// None of its images runs there.
    #[error("the archive holds no image for {0}")]
    NoPlatform(Platform),
    /// What it says of itself is none of the known forms.
    #[error("the archive's {0} is broken: {1}")]
    Broken(&'static str, #[source] serde_json::Error),
    /// The image's configuration is none.
    #[error("the image's configuration is broken: {0}")]
    Config(#[source] serde_json::Error),
    /// One of its manifests is none.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A file that it speaks of is not in it.
    #[error("the archive has no `{0}`, which its image is made of")]
    Missing(String),
    /// A blob is not what its name says.
    #[error("the archive's `{path}` is {found}")]
    Misnamed {
        /// Its name.
        path: String,
        /// What it is.
        found: Digest,
    },
    /// A layer is not what the configuration says.
    #[error("the layer `{path}` is {found}, the image's configuration says {expected}")]
    Layer {
        /// Its name in the archive.
        path: String,
        /// What it should be.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// There are not as many layers as the configuration says.
    #[error("the image has {found} layers, its configuration says {said}")]
    Layers {
        /// What the configuration says.
        said: usize,
        /// What there are.
        found: usize,
    },
    /// It cannot be stored.
    #[error(transparent)]
    Image(#[from] ImageError),
}

impl From<ArchiveError> for Fault {
    fn from(error: ArchiveError) -> Self {
        let message = error.to_string();
        match error {
            ArchiveError::Image(error) => error.into(),
            ArchiveError::Stream(_) => Self::new(FaultKind::Failed, Blame::Machine, Retry::Safe, message)
                .help("deploy again: layers that came whole are kept; if it stays so, look at the builder's engine"),
            ArchiveError::NoPlatform(platform) => Self::refused(message)
                .help(format!("build it for {platform}: `platform` of the service's `build` says for what")),
            _ => Self::new(FaultKind::Failed, Blame::Machine, Retry::AfterFix, message)
                .help("the builder's engine gave a broken image: look at its disk, and build again"),
        }
    }
}
