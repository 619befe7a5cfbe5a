//! The proxy as others see it: a process of its own, real sockets, real servers behind it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attack;
mod backend;
mod by_hand;
mod control;
mod files;
mod floods;
mod hold;
mod http2;
mod idle;
mod misbehaving;
mod origin;
#[path = "../../../tls/tests/tls/pebble.rs"]
mod pebble;
mod routing;
mod secure;
mod shares;
mod smuggling;
mod stream;
mod streams;
mod support;
mod switch;
mod takeover;
mod watching;
#[path = "../../../tls/tests/tls/wire.rs"]
mod wire;
