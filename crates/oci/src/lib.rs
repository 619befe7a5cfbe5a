//! OCI distribution: the host's image store with its registry server on loopback, a client of any other registry, and
//! image archives as engines save them.
//!
//! What touches files is synchronous, and a caller with an event loop puts it on a thread of its own; what speaks HTTP
//! is asynchronous. Nothing holds a whole layer in memory.

pub mod archive;
pub mod client;
mod manifest;
mod name;
mod pieces;
pub mod server;
mod sha;
mod store;

pub use manifest::{Descriptor, MAX_MANIFEST, Manifest, ManifestError, Platform, media};
pub use name::{Repository, Tag, Target, WrongName};
pub use pieces::{Pieces, pieces};
pub use sha::Sha256;
pub use store::{
    Blob, BlobWriter, Collected, ImageError, Images, MAX_BLOB, MAX_TAGS, NO_ROOM, Reader, StoredManifest,
    Written,
};
