//! The image store, its registry, archives and the client, each with the real other side where one can be had.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod archives;
mod clients;
mod conformance;
mod proxied;
mod relay;
mod remote;
mod store;
mod tools;
mod world;
