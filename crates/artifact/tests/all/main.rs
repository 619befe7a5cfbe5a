//! The artifact crate from outside: real folders, real stores, real git, real pip and npm.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod bundles;
mod dependencies;
mod frames;
mod ignores;
mod store;
mod tree;
mod versions;
