//! Fuzzes the control API of the proxy, with the body that the tests run with a seed.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    landfall_proxy::fuzz_control(data, folder.path());
});
