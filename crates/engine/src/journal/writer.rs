//! Writing a journal: each record is on the disk when `append` returns, and a reserve beside the file lets a
//! transaction be taken back in order when the disk fills up under it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use landfall_fx::Files;

use super::{Begun, Journal, Record};

/// What the reserve holds at least, in bytes; enough for the records of taking back and for an autopsy.
const RESERVE: usize = 64 * 1024;

/// What it holds for each step of the plan besides, in bytes.
const RESERVE_STEP: usize = 512;

/// Whether there is room for more records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// As far as one can tell.
    Ample,
    /// The record was written with what the reserve had kept free: the disk is full.
    Reserve,
}

/// Appends to one journal.
pub(crate) struct Writer<'a> {
    files: &'a dyn Files,
    path: PathBuf,
    length: u64,
    reserved: bool,
    /// Whether a broken line could not be cut off, so that nothing may follow it.
    broken: bool,
}

impl<'a> Writer<'a> {
    /// Begins a journal and its reserve. When that fails nothing of either is left, as far as the system lets go of it.
    pub(crate) fn create(files: &'a dyn Files, path: &Path, begun: Begun) -> io::Result<Self> {
        let steps = begun.plan.steps.len();
        let mut writer = Self { files, path: path.to_owned(), length: 0, reserved: false, broken: false };
        let made = writer.append(&Record::Begun(Box::new(begun))).and_then(|_| writer.reserve(steps));
        if let Err(error) = made {
            // What is left without a whole first record says by itself that nothing was done.
            let _ = files.remove(path);
            return Err(error);
        }
        Ok(writer)
    }

    /// Goes on with a journal that was read. A bad tail is put aside into `FILE.cut` and cut off, and the cut is
    /// itself recorded, all in one replacement of the file.
    pub(crate) fn reopen(files: &'a dyn Files, path: &Path, journal: &Journal) -> io::Result<Self> {
        let mut writer =
            Self { files, path: path.to_owned(), length: journal.length, reserved: false, broken: false };
        if let Some(cut) = &journal.cut {
            let mut bytes = files.read(path)?;
            let good = usize::try_from(journal.length).map_err(io::Error::other)?.min(bytes.len());
            files.append(&beside(path, "cut"), &bytes[good..])?;
            bytes.truncate(good);
            let record = Record::Cut { line: cut.line, bytes: cut.bytes };
            bytes.extend(record.encode().map_err(io::Error::other)?);
            files.replace(path, &bytes)?;
            writer.length = bytes.len() as u64;
        }
        // The reserve of the interrupted run serves on; where it is gone and there is no room, taking back goes without.
        writer.reserved =
            files.read(&writer.reserve_path()).is_ok() || writer.reserve(journal.plan.steps.len()).is_ok();
        Ok(writer)
    }

    /// Appends a record.
    ///
    /// # Errors
    /// The system's. Nothing of the record is then in the file, or nothing more is ever appended.
    pub(crate) fn append(&mut self, record: &Record) -> io::Result<Room> {
        if self.broken {
            return Err(io::Error::other("an earlier record could not be written"));
        }
        let line = record.encode().map_err(io::Error::other)?;
        let Err(error) = self.try_append(&line) else { return Ok(Room::Ample) };
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        if full && self.reserved && !self.broken {
            self.release();
            return self.try_append(&line).map(|()| Room::Reserve);
        }
        Err(error)
    }

    /// Gives the reserve back at the end.
    pub(crate) fn close(mut self) {
        self.release();
    }

    fn try_append(&mut self, line: &[u8]) -> io::Result<()> {
        let appended = self.files.append(&self.path, line);
        if appended.is_ok() {
            self.length += line.len() as u64;
        } else if self.files.truncate(&self.path, self.length).is_err() {
            // A part of the line may be there. Without a first record there is no file to speak of.
            self.broken = self.length > 0;
        }
        appended
    }

    fn reserve(&mut self, steps: usize) -> io::Result<()> {
        let size = RESERVE + steps * RESERVE_STEP;
        self.files.replace(&self.reserve_path(), &vec![0; size])?;
        self.reserved = true;
        Ok(())
    }

    fn release(&mut self) {
        // A reserve that cannot be removed is found again by the next one that opens this journal.
        let _ = self.files.remove(&self.reserve_path());
        self.reserved = false;
    }

    fn reserve_path(&self) -> PathBuf {
        beside(&self.path, "reserve")
    }
}

/// The file that lies beside a journal: its path with another ending behind it.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}
