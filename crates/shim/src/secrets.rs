//! The file in memory that holds secret values: a JSON object from name to value, mode 0600.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::files;

/// The largest file of secrets that is read, in bytes.
const MAX_SECRETS: u64 = 4 * 1024 * 1024;

/// Writes `values` to `path`, mode 0600, as a whole or not at all. The folder should be one in memory (`/dev/shm`).
///
/// # Errors
/// What the system refuses; no error contains a value.
pub fn write_secrets(path: &Path, values: &BTreeMap<String, String>) -> io::Result<()> {
    files::replace(path, &serde_json::to_vec(values)?)
}

/// Reads what [`write_secrets`] wrote.
///
/// # Errors
/// A file that is not there (after a reboot), larger than 4 MiB, or is no object of strings; no error contains a
/// value.
pub fn read_secrets(path: &Path) -> io::Result<BTreeMap<String, String>> {
    let bytes = files::read_bounded(path, MAX_SECRETS)?;
    serde_json::from_slice(&bytes).map_err(|_| files::malformed(path, "not a file of secrets"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_round_trip_and_their_errors_say_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let values = BTreeMap::from([("KEY".to_owned(), "line\n\"two\"".to_owned())]);
        write_secrets(&path, &values).unwrap();
        assert_eq!(read_secrets(&path).unwrap(), values);
        std::fs::write(&path, r#"{"KEY": ["hunter22"]}"#).unwrap();
        assert!(!read_secrets(&path).unwrap_err().to_string().contains("hunter22"));
    }
}
