//! The entry point of `landfall shim DIR`.

use std::path::Path;
use std::process::ExitCode;

/// Supervises the instance that lives in `folder` until it is stopped; the entry point of `landfall shim DIR`.
#[must_use]
pub fn run(folder: &Path) -> ExitCode {
    let _ = folder;
    ExitCode::SUCCESS
}
