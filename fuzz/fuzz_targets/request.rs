//! Fuzzes `request` of the bodies that the tests run with a seed.

#![no_main]

#[path = "../../crates/http1/tests/fuzz/bodies.rs"]
#[expect(dead_code, reason = "each fuzzer runs one of them")]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::request(data));
