//! The artifact of the process runtime: source bundled by content, kept in a store of blobs, sent as frames, laid out
//! as a release's folder, its dependencies prepared beside it; and the versions that releases are stamped with.
//!
//! All of it is synchronous: a caller with an event loop puts it on a thread of its own.

mod bundle;
mod cache;
pub mod dependencies;
pub mod frames;
mod hashing;
mod ignored;
mod ignores;
mod index;
mod links;
mod store;
mod touch;
mod verify;
pub mod version;
mod walk;

pub use bundle::{Bundle, BundleError, MAX_BUNDLE, MAX_ENTRIES, MAX_FILE, bundle, bundle_cached};
pub use ignores::Ignores;
pub use index::{Entry, INDEX_FORMAT, Index, IndexError, MAX_INDEX, What};
pub use store::{Batch, Store, StoreError};
pub use touch::touch;
pub use verify::{Mismatch, verify};
