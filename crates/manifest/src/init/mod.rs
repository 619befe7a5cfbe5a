//! Looks at a folder and proposes a manifest for what is in it.

use std::io;
use std::path::Path;

/// A manifest, and why it is this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The text of `landfall.toml`.
    pub manifest: String,
    /// One sentence each: what was seen, and what follows.
    pub found: Vec<String>,
}

/// Looks at the folder and proposes a manifest. Reads, and writes nothing.
///
/// # Errors
/// A folder that cannot be read.
pub fn propose(folder: &Path) -> io::Result<Proposal> {
    std::fs::read_dir(folder)?;
    Ok(Proposal { manifest: String::new(), found: Vec::new() })
}
