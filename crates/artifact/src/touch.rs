//! Marks files as used now, so that what removes old ones leaves them alone.

use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;

/// Sets a file's times to the kernel's now, so that what removes old ones leaves it alone; false when it is not there.
#[must_use]
pub fn touch(path: &Path) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    match rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(()) => true,
        Err(Errno::NOENT | Errno::NOTDIR) => false,
        // It may be there all the same: on a disk that can only be read, for one.
        Err(_) => path.exists(),
    }
}
