//! One shim a folder: it holds `shim.lock` for as long as it lives.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::FlockOperation;
use rustix::process::{Flock, FlockType};

/// Takes the folder's lock; `None` when another shim has it. Held until the file is dropped or the process ends: a
/// record lock (`fcntl(2)`), so that [`is_alive`] can look at it without ever taking it.
pub(crate) fn take(folder: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(folder.join("shim.lock"))?;
    match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether a shim lives in `folder`.
#[must_use]
pub fn is_alive(folder: &Path) -> bool {
    // Opened for reading only: closing it gives up no lock of this process, which has none here.
    File::open(folder.join("shim.lock")).is_ok_and(|file| {
        let whole = Flock::from(FlockType::ReadLock);
        matches!(rustix::process::fcntl_getlk(&file, &whole), Ok(Some(_)))
    })
}
