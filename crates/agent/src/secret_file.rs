//! A secret's value in a file in memory, for containers that read files.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Puts a value in place of what a file holds, in one move: one that reads the old file goes on doing so. `ready` is
/// called with the new file before it gets its name.
///
/// # Errors
/// What the system refuses.
pub(crate) fn lay(path: &Path, value: &str, mode: u32, ready: impl FnOnce(&Path)) -> io::Result<()> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    let fresh = path.with_file_name(name);
    // One that a killed agent left may be opened by nobody any more, and may belong to somebody else.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh)?;
    file.write_all(value.as_bytes())?;
    ready(&fresh);
    fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    #[test]
    fn what_a_killed_agent_left_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("elsewhere"), "mine").unwrap();
        // Neither opened nor written through: it is another file than the one that was left.
        symlink(at("elsewhere"), at(".KEY.new")).unwrap();
        lay(&at("KEY"), "one", 0o400, |_| ()).unwrap();
        fs::hard_link(at("elsewhere"), at(".KEY.new")).unwrap();
        let mut seen = None;
        lay(&at("KEY"), "two", 0o444, |fresh| seen = Some(fs::read_to_string(fresh).unwrap())).unwrap();
        let facts = fs::symlink_metadata(at("KEY")).unwrap();
        assert_eq!((facts.mode() & 0o7777, facts.is_file()), (0o444, true));
        assert_eq!((seen.as_deref(), &*fs::read_to_string(at("KEY")).unwrap()), (Some("two"), "two"));
        assert_eq!(fs::read_to_string(at("elsewhere")).unwrap(), "mine");
        assert!(!at(".KEY.new").exists());
    }
}
