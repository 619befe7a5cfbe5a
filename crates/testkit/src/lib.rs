//! For tests: a simulated world with seeded faults, a sandbox for the whole binary, a load, streams that stay open.
//!
//! Things here panic where a test should fail; nothing of Landfall itself depends on this crate.

pub mod app;
pub mod ask;
pub mod compose;
pub mod docker;
pub mod journal;
pub mod load;
pub mod needle;
pub mod sandbox;
pub mod simulation;
pub mod small_engine;
pub mod ssh;
pub mod streams;
pub mod wait;
pub mod websocket;
