//! The pipes an instance prints into. It holds them open for reading itself, so that a shim that is killed costs it no
//! `EPIPE`; and they have names, so that the next shim finds them again.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

/// How much a pipe may hold while nobody reads it: the most an ordinary user may ask for unless the machine says
/// otherwise (`pipe(7)`, `/proc/sys/fs/pipe-max-size`), in bytes.
pub(crate) const CAPACITY: usize = 1024 * 1024;

/// A pipe that is open for reading, without waiting.
#[derive(Debug)]
pub(crate) struct Pipe(File);

impl Pipe {
    /// The pipe called `name` in `folder`: the one that is there, or a new one. Where the disk knows no named pipes it
    /// has no name, and the next shim finds it by [`of_process`](Self::of_process).
    ///
    /// # Errors
    /// What the system refuses.
    pub(crate) fn open(folder: &Path, name: &str) -> io::Result<Self> {
        let path = folder.join(name);
        let pipe = match open_named(&path) {
            Ok(pipe) => pipe,
            Err(_) => {
                let _ = std::fs::remove_file(&path);
                mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR)
                    .map_err(io::Error::from)
                    .and_then(|()| open_named(&path))
                    .or_else(|_| nameless())?
            }
        };
        // A smaller pipe serves as well, it only fills sooner.
        let _ = fcntl_setpipe_size(&pipe, CAPACITY);
        Ok(Self(pipe))
    }

    /// The pipe called `name` in `folder` if it is there, else the one a running process has as this descriptor.
    ///
    /// # Errors
    /// `NotFound` where neither is a pipe.
    pub(crate) fn of_process(folder: &Path, name: &str, pid: u32, descriptor: u32) -> io::Result<Self> {
        let held = || open_named(format!("/proc/{pid}/fd/{descriptor}").as_ref());
        open_named(&folder.join(name)).or_else(|_| held()).map(Self)
    }

    /// A handle for the process that prints: open for reading too, and waiting when the pipe is full.
    ///
    /// # Errors
    /// What the system refuses.
    pub(crate) fn writer(&self) -> io::Result<File> {
        // A way through /proc gives an open file of its own, so that this end stays one that does not wait.
        OpenOptions::new().read(true).write(true).open(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }

    /// Reads what there is; `WouldBlock` when there is nothing. Never at its end: it is its own writer.
    pub(crate) fn read(&self, block: &mut [u8]) -> io::Result<usize> {
        io::Read::read(&mut &self.0, block)
    }
}

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Opens a path that is a pipe, for reading without waiting, and for writing so that it is never at its end.
fn open_named(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
    if file.metadata()?.file_type().is_fifo() { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
}

fn nameless() -> io::Result<File> {
    let (read, _write) = pipe_with(PipeFlags::CLOEXEC)?;
    open_named(format!("/proc/self/fd/{}", read.as_raw_fd()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn text(pipe: &Pipe) -> String {
        let mut block = [0; 64];
        match pipe.read(&mut block) {
            Ok(count) => String::from_utf8_lossy(&block[..count]).into_owned(),
            Err(error) => error.kind().to_string(),
        }
    }

    #[test]
    fn a_pipe_survives_its_reader() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = Pipe::open(folder.path(), "out").unwrap();
        let mut writer = pipe.writer().unwrap();
        writer.write_all(b"one").unwrap();
        assert_eq!(text(&pipe), "one");
        assert_eq!(text(&pipe), "operation would block");
        drop(pipe);
        writer.write_all(b"two").unwrap();
        let pipe = Pipe::open(folder.path(), "out").unwrap();
        assert_eq!(text(&pipe), "two");
    }

    #[test]
    fn what_stands_in_the_way_is_replaced_and_a_nameless_pipe_is_found_by_its_process() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("out"), "x").unwrap();
        assert!(Pipe::open(folder.path(), "out").is_ok());
        // No pipe can be made in a folder that is not there.
        let nowhere = folder.path().join("nowhere");
        let pipe = Pipe::open(&nowhere, "out").unwrap();
        let mut writer = pipe.writer().unwrap();
        drop(pipe);
        writer.write_all(b"three").unwrap();
        let descriptor = u32::try_from(writer.as_raw_fd()).unwrap();
        let pipe = Pipe::of_process(&nowhere, "out", std::process::id(), descriptor).unwrap();
        assert_eq!(text(&pipe), "three");
        assert!(Pipe::of_process(&nowhere, "out", std::process::id(), 99_999).is_err());
    }
}
