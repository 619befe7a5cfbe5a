//! Real instances under real shims.
#![expect(clippy::unwrap_used, reason = "a test")]

mod adoption;
mod instance;
mod memory;
mod output;
mod supervision;
