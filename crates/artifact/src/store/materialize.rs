//! A bundle laid out as a folder: written beside its place, every byte checked, then renamed into it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use landfall_model::Digest;

use super::batch::sync;
use super::{Store, StoreError};
use crate::hashing;
use crate::index::{Entry, Index, What, ancestors};

/// Files from this size on share their blocks with the store where the file system can (`ioctl_ficlone(2)`).
const WORTH_SHARING: u64 = 64 * 1024;

impl Store {
    /// Lays the bundle `index` out as the folder `into`, whose parent is made if it is not there. Its files are on the
    /// disk when this returns; readers see the whole folder or none. One at a time may lay out the same folder. Gives the
    /// index.
    ///
    /// # Errors
    /// A blob that is missing or damaged ([`StoreError::Missing`], [`StoreError::Damaged`]), a folder in the way, the
    /// system's. Nothing is left behind then.
    pub fn materialize(&self, index: &Digest, into: &Path) -> Result<Index, StoreError> {
        let index = self.read_index(index)?;
        if into.symlink_metadata().is_ok() {
            return Err(StoreError::InTheWay(into.to_owned()));
        }
        let parent = into.parent().unwrap_or_else(|| Path::new("/"));
        let writing = |error| StoreError::io("cannot write", into)(error);
        fs::create_dir_all(parent).map_err(writing)?;
        let unfinished = Unfinished::begin(into).map_err(writing)?;
        let new = unfinished.0.as_path();
        let mut layout = Layout { store: self, root: new, shares: true };
        let folders = layout.make_folders(&index)?;
        for entry in &index.entries {
            layout.put(entry)?;
        }
        let made = index.entries.iter().filter(|entry| matches!(entry.what, What::File { .. }));
        let mut paths: Vec<_> = made.map(|entry| new.join(&entry.path)).collect();
        paths.extend(folders.iter().map(|folder| new.join(folder)));
        paths.push(new.to_owned());
        sync(parent, paths.iter().map(AsRef::as_ref))?;
        fs::rename(new, into).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory => {
                StoreError::InTheWay(into.to_owned())
            }
            _ => writing(error),
        })?;
        sync(parent, std::iter::once(parent))?;
        Ok(index)
    }
}

/// The folder that is laid out, before it has its own name: `.NAME.new` beside it. What is not renamed is removed.
struct Unfinished(PathBuf);

impl Unfinished {
    /// Makes it, after removing what a run that was cut short left there.
    fn begin(into: &Path) -> io::Result<Self> {
        let mut name = OsString::from(".");
        name.push(into.file_name().unwrap_or_default());
        name.push(".new");
        let path = into.with_file_name(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        Ok(Self(path))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After the rename it is not there; what cannot be removed now is removed before the next try.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A folder that nobody else knows of yet.
struct Layout<'a> {
    store: &'a Store,
    root: &'a Path,
    /// Whether the file system may be able to share blocks: false once it said that it cannot.
    shares: bool,
}

impl Layout<'_> {
    /// Makes all folders, the upper ones first; gives their paths.
    fn make_folders<'i>(&self, index: &'i Index) -> Result<BTreeSet<&'i str>, StoreError> {
        let mut folders: BTreeSet<&str> =
            index.entries.iter().flat_map(|entry| ancestors(&entry.path)).collect();
        folders.extend(
            index
                .entries
                .iter()
                .filter(|entry| matches!(entry.what, What::Folder {}))
                .map(|entry| entry.path.as_str()),
        );
        for folder in &folders {
            let path = self.root.join(folder);
            fs::create_dir(&path)
                .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)))
                .map_err(StoreError::io("cannot make", &path))?;
        }
        Ok(folders)
    }

    /// Makes one file or link; folders are there already. The index was checked: nothing lies below a link, so that
    /// none is ever followed.
    fn put(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let path = self.root.join(&entry.path);
        match &entry.what {
            What::Folder {} => Ok(()),
            What::Link { target } => {
                std::os::unix::fs::symlink(target, &path).map_err(StoreError::io("cannot write", &path))
            }
            What::File { digest, size, executable } => {
                let mode = if *executable { 0o755 } else { 0o644 };
                self.put_file(&path, digest, *size, mode)
            }
        }
    }

    fn put_file(&mut self, path: &Path, digest: &Digest, size: u64, mode: u32) -> Result<(), StoreError> {
        let writing = || StoreError::io("cannot write", path);
        let mut blob = self.store.open_blob(digest)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(mode);
        let mut file = options.open(path).map_err(writing())?;
        let (found, length) = if self.share(&file, &blob, size) {
            hashing::copy(&mut file, &mut io::sink(), size).map_err(StoreError::io("cannot read", path))?
        } else {
            hashing::copy(&mut blob, &mut file, size).map_err(writing())?
        };
        if found != *digest || length != size {
            return Err(self.store.set_aside(digest));
        }
        // The umask does not decide what a release's files may do.
        file.set_permissions(Permissions::from_mode(mode)).map_err(writing())
    }

    fn share(&mut self, file: &File, blob: &File, size: u64) -> bool {
        if !self.shares || size < WORTH_SHARING {
            return false;
        }
        self.shares = rustix::fs::ioctl_ficlone(file, blob).is_ok();
        self.shares
    }
}
