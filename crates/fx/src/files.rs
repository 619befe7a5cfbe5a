//! Durable files: what was written is there after a power cut, or was never there at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Files whose writes are on the disk when the call returns. All files made have mode 0600.
pub trait Files: Send + Sync {
    /// Appends, makes the file if it is not there, and syncs data (and the folder, when it was made).
    ///
    /// # Errors
    /// Any of the system's. After one, a part of `bytes` may be there.
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Reads the whole file.
    ///
    /// # Errors
    /// Any of the system's.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Puts `bytes` in place of what is there: readers see all of the old or all of the new.
    ///
    /// # Errors
    /// Any of the system's; the old content is then untouched.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file to `length` bytes and syncs it.
    ///
    /// # Errors
    /// Any of the system's.
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()>;

    /// The paths of the files in a folder, sorted; empty when there is no such folder.
    ///
    /// # Errors
    /// Any other of the system's.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;

    /// Removes a file; fine when it is not there.
    ///
    /// # Errors
    /// Any other of the system's.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The machine's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealFiles;

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or_else(|| Path::new("/"))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

impl Files for RealFiles {
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.append(true).mode(0o600);
        let (mut file, made) = match options.open(path) {
            Ok(file) => (file, false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(folder_of(path))?;
                (options.create(true).open(path)?, true)
            }
            Err(error) => return Err(error),
        };
        file.write_all(bytes)?;
        file.sync_data()?;
        if made { sync_folder(path) } else { Ok(()) }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::create_dir_all(folder_of(path))?;
        let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
        name.push(format!(".{}.new", std::process::id()));
        let new = path.with_file_name(name);
        let written = (|| {
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&new, path)
        })();
        if let Err(error) = written {
            // The half-written file is of no use to anyone; that it cannot be removed changes nothing.
            let _ = fs::remove_file(&new);
            return Err(error);
        }
        sync_folder(path)
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(length)?;
        file.sync_all()
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut paths = entries.map(|entry| entry.map(|e| e.path())).collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Ok(()) => sync_folder(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}
