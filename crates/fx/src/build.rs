//! Tells two builds of the program apart without reading them: a client that is newer than the agent notices.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// `LENGTH-MTIME` of the executable: bytes, and nanoseconds since 1970.
///
/// # Errors
/// When `program` is not there or cannot be looked at.
pub fn build_id(program: &Path) -> io::Result<String> {
    let facts = fs::metadata(program)?;
    let nanos = i128::from(facts.mtime()) * 1_000_000_000 + i128::from(facts.mtime_nsec());
    Ok(format!("{}-{nanos}", facts.len()))
}
