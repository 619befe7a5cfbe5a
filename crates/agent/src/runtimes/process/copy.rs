//! A throwaway copy of a folder.

use std::fs;
use std::io;
use std::path::Path;

/// Copies a folder with all in it to `to`, which must not be there: files with their modes, links as they are. What is
/// neither (sockets, pipes) is left out.
///
/// # Errors
/// Any of the system's; a part of the copy may be there then.
pub(crate) fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy_folder(&entry.path(), &path)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, &path)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn a_copy_is_the_same_and_apart() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::write(from.join("a/b/run"), "one").unwrap();
        fs::set_permissions(from.join("a/b/run"), fs::Permissions::from_mode(0o750)).unwrap();
        symlink("/nowhere", from.join("a/link")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(from.join("socket")).unwrap());
        copy_folder(&from, &to).unwrap();
        fs::write(to.join("a/b/run"), "two").unwrap();
        assert_eq!(fs::read(from.join("a/b/run")).unwrap(), b"one");
        assert_eq!(fs::metadata(to.join("a/b/run")).unwrap().permissions().mode() & 0o777, 0o750);
        assert_eq!(fs::read_link(to.join("a/link")).unwrap(), Path::new("/nowhere"));
        assert!(!to.join("socket").exists());
        copy_folder(&from, &to).unwrap_err();
    }
}
