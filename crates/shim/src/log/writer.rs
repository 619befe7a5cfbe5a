//! Writes the captured output, rotates it, and never stands in the application's way: what the disk does not take is
//! dropped and counted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use landfall_model::{Limits, Stream, Timestamp};

use super::{MAX_FILES, folder_of, path_of};
use crate::clock;

/// The size at which the output is rotated unless the order says another, in bytes.
const DEFAULT_SIZE: u64 = 10 * 1024 * 1024;
/// The rotated files that are kept unless the order says another number.
const DEFAULT_FILES: u32 = 5;
/// What is gathered before it is written, in bytes.
const MAX_BATCH: usize = 256 * 1024;

/// The output of one instance on its way to the disk.
#[derive(Debug)]
pub struct Writer {
    log: PathBuf,
    size_limit: u64,
    keep: u32,
    file: Option<File>,
    /// The current file's size, whole lines only.
    size: u64,
    batch: Vec<u8>,
    /// Lines that could not be written since the last one that could.
    lost: u64,
}

impl Writer {
    /// A writer for the instance that lives in `folder`. Goes on with a file that is there; a disk that refuses is
    /// tried again with each line.
    #[must_use]
    pub fn open(folder: &Path, limits: &Limits) -> Self {
        let mut writer = Self {
            log: folder_of(folder),
            size_limit: limits.log_size.unwrap_or(DEFAULT_SIZE).max(1),
            keep: limits.log_files.unwrap_or(DEFAULT_FILES).min(MAX_FILES),
            file: None,
            size: 0,
            batch: Vec::new(),
            lost: 0,
        };
        let _ = writer.reopen();
        writer
    }

    /// Takes a line that was printed at that moment, secrets already blacked out; see [`flush`](Self::flush).
    pub fn entry(&mut self, at: Timestamp, stream: Stream, text: &str) {
        self.line(&at.to_string(), stream, text);
    }

    /// Takes a line that was read at the moment `stamp` ([`clock::stamp`]); it is on its way to the disk after
    /// [`flush`](Self::flush) at the latest.
    pub(crate) fn line(&mut self, stamp: &str, stream: Stream, text: &str) {
        let letter: &[u8] = match stream {
            Stream::Out => b" o ",
            Stream::Err => b" e ",
        };
        let parts = [stamp.as_bytes(), letter, text.as_bytes(), b"\n"];
        let length = parts.iter().map(|part| part.len() as u64).sum::<u64>();
        let ahead = self.size + self.batch.len() as u64;
        if ahead > 0 && ahead + length > self.size_limit {
            self.flush();
            if self.size > 0 {
                self.rotate();
            }
        }
        for part in parts {
            self.batch.extend_from_slice(part);
        }
        if self.batch.len() > MAX_BATCH {
            self.flush();
        }
    }

    /// Writes what was gathered, or drops and counts it. Never fails, never waits longer than one write takes.
    pub fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let mut batch = std::mem::take(&mut self.batch);
        let note = u64::from(self.lost > 0);
        if note > 0 {
            let text = format!("{} e {} lines lost: no space\n", clock::stamp(), self.lost);
            batch.splice(..0, text.into_bytes());
        }
        let lines = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let all = lines(&batch);
        let done = lines(&batch[..self.write(&batch)]);
        if done >= note {
            self.lost = 0;
        }
        self.lost += (all - note) - done.saturating_sub(note);
        batch.clear();
        self.batch = batch;
    }

    /// Writes and gives how many bytes in whole lines are in the file now; what a full disk took of one more line is
    /// taken back.
    fn write(&mut self, batch: &[u8]) -> usize {
        if self.file.is_none() && self.reopen().is_err() {
            return 0;
        }
        let Some(file) = &mut self.file else { return 0 };
        let mut written = 0;
        while written < batch.len() {
            match file.write(&batch[written..]) {
                Ok(0) => break,
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let whole = batch[..written].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        self.size += whole as u64;
        if whole < written {
            let _ = file.set_len(self.size);
        }
        whole
    }

    /// Opens the current file and ends a line that a crash cut.
    fn reopen(&mut self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.log)?;
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path_of(&self.log, 0))?;
        self.size = file.metadata()?.len();
        if self.size > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != [b'\n'] {
                file.write_all(b"\n")?;
                self.size += 1;
            }
        }
        self.file = Some(file);
        Ok(())
    }

    /// Moves every file one on and begins a new one. Where that fails the current one goes on growing until the next
    /// line, which tries again.
    fn rotate(&mut self) {
        for n in (1..=self.keep).rev() {
            let _ = fs::rename(path_of(&self.log, n - 1), path_of(&self.log, n));
        }
        if self.keep == 0 {
            let _ = fs::remove_file(path_of(&self.log, 0));
        }
        self.file = None;
        self.size = 0;
        let _ = self.reopen();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::tail;

    #[test]
    fn files_are_rotated_and_only_so_many_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { log_size: Some(1000), log_files: Some(2), ..Limits::default() };
        let mut writer = Writer::open(folder.path(), &limits);
        for n in 0..200 {
            writer.line(&clock::stamp(), Stream::Out, &format!("line {n}"));
        }
        writer.flush();
        let mut names: Vec<_> =
            fs::read_dir(folder.path().join("log")).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["1", "2", "current"]);
        for name in names {
            let size = fs::metadata(folder.path().join("log").join(name)).unwrap().len();
            assert!((1..=1000).contains(&size), "{size}");
        }
        let found = tail(folder.path(), 1000).unwrap();
        assert_eq!(found.last().unwrap().line, "line 199");
        assert!(found.len() > 50, "{}", found.len());
        assert!(found.windows(2).all(|pair| pair[0].at <= pair[1].at));
    }

    #[test]
    fn a_new_writer_goes_on_and_ends_a_line_that_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("log")).unwrap();
        fs::write(folder.path().join("log/current"), "2026-11-20T13:15:02.120345Z o one\n2026-11").unwrap();
        let mut writer = Writer::open(folder.path(), &Limits::default());
        writer.line(&clock::stamp(), Stream::Out, "two");
        writer.flush();
        let found: Vec<String> = tail(folder.path(), 9).unwrap().into_iter().map(|e| e.line).collect();
        assert_eq!(found, ["one", "two"]);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_told_of_later() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        // A file stands where the folder should be: every write fails, as on a full disk.
        fs::write(&log, "").unwrap();
        let mut writer = Writer::open(folder.path(), &Limits::default());
        for n in 0..3 {
            writer.line(&clock::stamp(), Stream::Out, &format!("lost {n}"));
            writer.flush();
        }
        fs::remove_file(&log).unwrap();
        writer.line(&clock::stamp(), Stream::Out, "kept");
        writer.flush();
        writer.line(&clock::stamp(), Stream::Out, "kept too");
        writer.flush();
        let found: Vec<String> = tail(folder.path(), 9).unwrap().into_iter().map(|e| e.line).collect();
        assert_eq!(found, ["3 lines lost: no space", "kept", "kept too"]);
    }
}
