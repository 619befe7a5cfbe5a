//! The name of prepared dependencies: a digest of everything that they were made from.

use std::fs;
use std::path::Path;

use landfall_model::{Digest, Fault};

/// The hex digits of a key.
pub(super) const LENGTH: usize = 32;

/// The largest file that goes into a key, in bytes.
pub(super) const MAX_LOCK_FILE: u64 = 64 * 1024 * 1024;

/// Changes when dependencies are prepared in another way than before, so that none made the old way are used.
const RECIPE: &str = "landfall dependencies 1";

/// Collects what goes into a key; parts cannot run into each other.
#[derive(Debug)]
pub(super) struct Key {
    material: Vec<u8>,
}

impl Key {
    /// A key of the things that always matter: recipe and platform.
    pub(super) fn new() -> Self {
        let mut key = Self { material: Vec::new() };
        key.add("recipe", RECIPE.as_bytes());
        key.add("platform", format!("{} {}", std::env::consts::OS, std::env::consts::ARCH).as_bytes());
        key
    }

    /// Adds a part.
    pub(super) fn add(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), value] {
            self.material.extend((part.len() as u64).to_le_bytes());
            self.material.extend(part);
        }
    }

    /// The key: 32 hex digits.
    pub(super) fn finish(self) -> String {
        let mut hex = Digest::of(&self.material).hex();
        hex.truncate(LENGTH);
        hex
    }
}

/// Whether a folder's name is a key.
pub(super) fn is_key(name: &str) -> bool {
    name.len() == LENGTH && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Reads a file that says what to install.
///
/// # Errors
/// A file that cannot be read, is no text or is larger than [`MAX_LOCK_FILE`].
pub(super) fn read(path: &Path) -> Result<String, Fault> {
    let fault = |why: String| {
        Fault::application(format!("{} cannot be used: {why}", path.display())).help(
            "it says which dependencies to prepare; `dependencies = \"none\"` in the service leaves that out",
        )
    };
    let facts = fs::metadata(path).map_err(|error| fault(error.to_string()))?;
    if facts.len() > MAX_LOCK_FILE {
        return Err(fault("it is larger than 64 MiB".to_owned()));
    }
    fs::read_to_string(path).map_err(|error| fault(error.to_string()))
}
