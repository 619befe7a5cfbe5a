//! Removes prepared dependencies that no release needs any more.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use landfall_model::Timestamp;

use super::key::is_key;
use super::once::Place;

/// Removes all prepared dependencies below `deps_root` but those of the keys `keep`, those used less than `grace` before
/// `now` and those being made at this moment. Gives how many were removed.
///
/// # Errors
/// Any of the system's; no such folder is fine.
pub fn collect_dependencies(
    deps_root: &Path,
    keep: &[String],
    now: Timestamp,
    grace: Duration,
) -> io::Result<usize> {
    let entries = match fs::read_dir(deps_root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut removed = 0;
    for entry in entries {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if !is_key(&name) || keep.contains(&name) {
            continue;
        }
        let place = Place::new(deps_root, &name);
        let Some(_lock) = place.try_lock()? else { continue };
        let facts = fs::metadata(place.mark()).or_else(|_| fs::metadata(place.folder()));
        let used = facts.and_then(|facts| facts.modified());
        if used.is_ok_and(|used| now.since(Timestamp::from(used)) >= grace) {
            place.remove()?;
            removed += 1;
        }
    }
    Ok(removed)
}
