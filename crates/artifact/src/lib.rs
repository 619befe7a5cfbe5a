//! Bundles, the blob store, prepared dependencies, version stamps.
