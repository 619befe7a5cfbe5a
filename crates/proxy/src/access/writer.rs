//! The access log's file: appended to, begun anew when it is large or somebody moved it, given up and tried again when the
//! disk is full.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::{Chunk, LogCounts, LogOptions};

/// Between two looks whether the file is still where it was.
const LOOK: Duration = Duration::from_secs(1);

/// The file that is written to, and those before it.
pub(super) struct LogFile {
    options: LogOptions,
    open: Option<Open>,
    looked: Instant,
}

struct Open {
    file: File,
    /// Its length.
    length: u64,
    inode: u64,
}

/// Writes chunks until nobody sends any more.
pub(super) fn write(mut file: LogFile, chunks: &Receiver<Chunk>, counts: &LogCounts) {
    let mut failing = false;
    loop {
        let chunk = match chunks.recv_timeout(LOOK) {
            Ok(chunk) => chunk,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        match file.append(&chunk.text) {
            Ok(()) => {
                counts.written.fetch_add(chunk.lines, Ordering::Relaxed);
                if std::mem::take(&mut failing) {
                    eprintln!("proxy: the access log is written again");
                }
            }
            Err(error) => {
                counts.dropped.fetch_add(chunk.lines, Ordering::Relaxed);
                if !std::mem::replace(&mut failing, true) {
                    let path = file.options.path.display();
                    eprintln!("proxy: lines of the access log {path} are dropped: {error}");
                }
            }
        }
    }
}

impl LogFile {
    pub(super) fn new(options: LogOptions) -> Self {
        Self { options, open: None, looked: Instant::now() }
    }

    /// Appends whole lines, or nothing.
    fn append(&mut self, text: &[u8]) -> io::Result<()> {
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            self.open
                .take_if(|open| fs::metadata(&self.options.path).map_or(0, |now| now.ino()) != open.inode);
        }
        let full = |open: &Open| open.length > 0 && open.length + text.len() as u64 > self.options.bytes;
        if self.open.as_ref().is_some_and(full) {
            self.open = None;
            self.rotate()?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(open(&self.options.path)?),
        };
        // A proxy that hands over to another one writes to the same file for a while.
        open.length = open.file.metadata()?.len();
        let written = open.file.write_all(text);
        match &written {
            Ok(()) => open.length += text.len() as u64,
            // No half lines.
            Err(_) => drop(open.file.set_len(open.length)),
        }
        written
    }

    /// Makes room for a new file: each is called as the one before it, the oldest goes.
    fn rotate(&self) -> io::Result<()> {
        for number in (1..self.options.files.max(1)).rev() {
            match fs::rename(self.numbered(number - 1), self.numbered(number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.options.files <= 1 {
            fs::remove_file(&self.options.path)?;
        }
        Ok(())
    }

    /// The file before the current one that many times; 0 is the current one.
    fn numbered(&self, number: u32) -> PathBuf {
        let mut path = self.options.path.clone().into_os_string();
        if number > 0 {
            path.push(format!(".{number}"));
        }
        path.into()
    }
}

fn open(path: &std::path::Path) -> io::Result<Open> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let metadata = file.metadata()?;
    Ok(Open { file, length: metadata.len(), inode: metadata.ino() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rotates_by_size_and_keeps_so_many() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut file = LogFile::new(LogOptions { path: path.clone(), bytes: 100, files: 3 });
        for number in 0..50 {
            file.append(format!("line {number:04}\n").as_bytes()).unwrap();
        }
        let mut kept: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        kept.sort();
        assert_eq!(kept, ["log", "log.1", "log.2"]);
        let text: String = ["log.2", "log.1", "log"]
            .map(|name| fs::read_to_string(folder.path().join(name)).unwrap())
            .concat();
        let want: String = (20..50).map(|number| format!("line {number:04}\n")).collect();
        assert_eq!(text, want);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_was_moved_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut file = LogFile::new(LogOptions { path: path.clone(), bytes: 100, files: 1 });
        file.append(b"one\n").unwrap();
        fs::rename(&path, folder.path().join("moved")).unwrap();
        file.looked = Instant::now().checked_sub(LOOK).unwrap();
        file.append(b"two\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        // One file alone is begun anew when it is full.
        file.append(&[b'x'; 99]).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 99);
    }

    #[test]
    fn what_cannot_be_written_is_an_error_and_no_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("later/log");
        let mut file = LogFile::new(LogOptions::new(path.clone()));
        assert!(file.append(b"one\n").is_err());
        fs::create_dir(folder.path().join("later")).unwrap();
        file.append(b"two\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
    }
}
