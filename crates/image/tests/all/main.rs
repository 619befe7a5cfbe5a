//! The image crate from outside: what is written for sources as people have them, judged by other tools.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod engine;
mod hadolint;
mod refused;
mod samples;
mod written;
