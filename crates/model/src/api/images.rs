//! What the agent says of an image that was put into its store.

use serde::{Deserialize, Serialize};

use crate::Digest;

/// An image in the agent's own store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StoredImage {
    /// What an engine of the host pulls it by: `127.0.0.1:PORT/APP/SERVICE@sha256:…`.
    pub reference: String,
    /// The digest of its configuration, which engines call its id.
    pub image: Digest,
    /// What it runs on: `linux/amd64`.
    pub platform: String,
    /// Bytes of its layers.
    pub size: u64,
    /// Bytes that the store did not have before.
    pub new: u64,
}
