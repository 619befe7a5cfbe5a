//! Certificates from outside: real handshakes, a real ACME server, the tools that people have.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acme;
mod clients;
mod demand;
mod given;
mod internal;
mod pebble;
mod site;
mod tools;
mod trust;
mod wire;
