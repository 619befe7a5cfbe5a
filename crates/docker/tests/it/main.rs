//! Against a real engine, whose socket `LANDFALL_TEST_DOCKER` names; without it each test says loudly that it is skipped.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it expects")]

mod bench;
mod build;
mod container;
mod doors;
mod streams;
mod tls;
mod transfer;
