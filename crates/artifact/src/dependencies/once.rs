//! Something that takes long is made once, however many processes want it, and is whole or not there.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use landfall_model::{Blame, Fault, FaultKind, Retry};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::Runner;
use crate::touch::touch;

/// How often another process that makes the same is waited for, [`super::PAUSE`] each time: half an hour.
const MAX_PAUSES: u32 = 18_000;

/// The file in a prepared folder that says that it is whole.
const COMPLETE: &str = "complete";

/// Folder of the lock files, one for each key; they are empty and stay.
const LOCKS: &str = "locks";

/// Where the dependencies of one key lie.
#[derive(Debug, Clone)]
pub(super) struct Place {
    root: PathBuf,
    key: String,
}

impl Place {
    pub(super) fn new(root: &Path, key: &str) -> Self {
        Self { root: root.to_owned(), key: key.to_owned() }
    }

    /// The folder itself.
    pub(super) fn folder(&self) -> PathBuf {
        self.root.join(&self.key)
    }

    /// The mark that it is whole.
    pub(super) fn mark(&self) -> PathBuf {
        self.folder().join(COMPLETE)
    }

    /// Takes the lock if nobody has it.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn try_lock(&self) -> io::Result<Option<File>> {
        let locks = self.root.join(LOCKS);
        fs::create_dir_all(&locks)?;
        let file = OpenOptions::new().create(true).append(true).open(locks.join(&self.key))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes it, the mark first, so that what is left of it never counts as whole. The lock must be held.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn remove(&self) -> io::Result<()> {
        let gone =
            |error: io::Error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) };
        fs::remove_file(self.mark()).or_else(gone)?;
        fs::remove_dir_all(self.folder()).or_else(gone)
    }

    /// Whether it is whole; then it counts as used now.
    fn is_complete(&self, usable: &dyn Fn(&Path) -> bool) -> bool {
        usable(&self.folder()) && touch(&self.mark())
    }
}

/// Makes `place` be there: reuses it if it is whole and `usable`, else calls `make` with its empty folder, at its final
/// path. Gives whether it was there already.
///
/// # Errors
/// Those of `make`, what was half made removed; half an hour's wait for another process; the system's.
pub(super) fn once(
    place: &Place,
    run: &mut dyn Runner,
    usable: &dyn Fn(&Path) -> bool,
    make: &mut dyn FnMut(&Path, &mut dyn Runner) -> Result<(), Fault>,
) -> Result<bool, Fault> {
    if place.is_complete(usable) {
        return Ok(true);
    }
    let lock = wait_for_lock(place, run)?;
    if place.is_complete(usable) {
        return Ok(true);
    }
    let folder = place.folder();
    place.remove().and_then(|()| fs::create_dir_all(&folder)).map_err(|error| unusable(place, &error))?;
    if let Err(fault) = make(&folder, run) {
        // What cannot be removed now is removed before the next try.
        let _ = place.remove();
        return Err(fault);
    }
    finish(place).map_err(|error| unusable(place, &error))?;
    drop(lock);
    Ok(false)
}

/// Marks it as whole once all of it is on the disk.
fn finish(place: &Place) -> io::Result<()> {
    rustix::fs::syncfs(File::open(place.folder())?)?;
    File::create(place.mark())?.sync_all()?;
    File::open(place.folder())?.sync_all()
}

fn wait_for_lock(place: &Place, run: &mut dyn Runner) -> Result<File, Fault> {
    for _ in 0..MAX_PAUSES {
        if let Some(lock) = place.try_lock().map_err(|error| unusable(place, &error))? {
            return Ok(lock);
        }
        run.pause()?;
    }
    let message = format!("another process has been preparing {} for half an hour", place.folder().display());
    Err(Fault::new(FaultKind::Failed, Blame::Machine, Retry::Safe, message)
        .help("see what it does (`fuser` on the lock beside it names it), end it, and try again"))
}

fn unusable(place: &Place, error: &io::Error) -> Fault {
    let help = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk is full: make room",
        io::ErrorKind::ReadOnlyFilesystem => "the disk can only be read: remount it for writing",
        _ => "look after the state folder's permissions and disk",
    };
    Fault::machine(format!("{} cannot be used: {error}", place.folder().display())).help(help)
}
