//! What is printed from here on, across rotations.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::tail::last_lines;
use super::{Entry, folder_of, open_all};

/// About how much one call reads, in bytes.
const MAX_POLL: usize = 1024 * 1024;
/// How much is read at a time, in bytes.
const BLOCK: usize = 64 * 1024;
/// A line longer than this is not ours, and is left out; in bytes.
const MAX_LINE: usize = 256 * 1024;

/// Gives what is printed from here on, across rotations.
#[derive(Debug)]
pub struct Follower {
    log: PathBuf,
    /// The file that is being read.
    place: Option<Place>,
    /// The beginning of a line whose end is not there yet.
    partial: Vec<u8>,
    /// What the first call gives.
    first: Vec<Entry>,
}

#[derive(Debug)]
struct Place {
    inode: u64,
    file: File,
    offset: u64,
}

impl Follower {
    /// Follows the instance that lives in `folder`; the first [`poll`](Self::poll) gives the last `lines` lines (at
    /// most 10,000). Nothing need be there yet.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn new(folder: &Path, lines: usize) -> io::Result<Self> {
        let log = folder_of(folder);
        let files = open_all(&log)?;
        let sized = files.iter().map(|(_, file)| Ok((file, file.metadata()?.len())));
        let sized = sized.collect::<io::Result<Vec<_>>>()?;
        let offset = sized.first().map_or(0, |(_, length)| *length);
        let first = last_lines(sized, lines)?;
        let place = files.into_iter().next().map(|(inode, file)| Place { inode, file, offset });
        Ok(Self { log, place, partial: Vec::new(), first })
    }

    /// What was printed since the last call, at most about 1 MiB of it: call again until it is empty. Never waits.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn poll(&mut self) -> io::Result<Vec<Entry>> {
        let mut entries = std::mem::take(&mut self.first);
        let mut read = 0;
        while read < MAX_POLL {
            let count = self.read_on(&mut entries)?;
            read += count;
            if count == 0 {
                let Some(next) = self.successor()? else { break };
                // It was rotated, maybe after the last look: what it holds now is all it will ever hold.
                while self.read_on(&mut entries)? > 0 {}
                self.partial.clear();
                self.place = Some(next);
            }
        }
        Ok(entries)
    }

    /// Reads the next block of the current file.
    fn read_on(&mut self, entries: &mut Vec<Entry>) -> io::Result<usize> {
        let Some(place) = &mut self.place else { return Ok(0) };
        let mut block = vec![0; BLOCK];
        let count = place.file.read_at(&mut block, place.offset)?;
        if count == 0 {
            // A line that the disk took only half of is taken back.
            let length = place.file.metadata()?.len();
            if length < place.offset {
                place.offset = length;
                self.partial.clear();
            }
            return Ok(0);
        }
        place.offset += count as u64;
        self.partial.extend_from_slice(&block[..count]);
        if let Some(end) = self.partial.iter().rposition(|&byte| byte == b'\n') {
            entries.extend(Entry::parse_all(&self.partial[..end]));
            self.partial.drain(..=end);
        } else if self.partial.len() > MAX_LINE {
            self.partial.clear();
        }
        Ok(count)
    }

    /// The file that was begun after the current one; the oldest when the current one is not kept any more.
    fn successor(&self) -> io::Result<Option<Place>> {
        let files = open_all(&self.log)?;
        let ours = self.place.as_ref().and_then(|p| files.iter().position(|(inode, _)| *inode == p.inode));
        let next = match ours {
            Some(0) => None,
            Some(index) => Some(index - 1),
            None => files.len().checked_sub(1),
        };
        let next = next.and_then(|index| files.into_iter().nth(index));
        Ok(next.map(|(inode, file)| Place { inode, file, offset: 0 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Writer;
    use landfall_model::{Limits, Stream};

    fn texts(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.line.as_str()).collect()
    }

    #[test]
    fn a_follower_begins_before_the_first_line() {
        let folder = tempfile::tempdir().unwrap();
        let mut follower = Follower::new(folder.path(), 10).unwrap();
        assert_eq!(follower.poll().unwrap(), []);
        let mut writer = Writer::open(folder.path(), &Limits::default());
        writer.line(&crate::clock::stamp(), Stream::Out, "one");
        writer.flush();
        assert_eq!(texts(&follower.poll().unwrap()), ["one"]);
        assert_eq!(follower.poll().unwrap(), []);
    }

    #[test]
    fn a_follower_gives_every_line_once_across_rotations() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { log_size: Some(400), log_files: Some(9), ..Limits::default() };
        let mut writer = Writer::open(folder.path(), &limits);
        let mut numbers = 0..;
        let mut write = |count| {
            for n in numbers.by_ref().take(count) {
                writer.line(&crate::clock::stamp(), Stream::Err, &format!("line {n}"));
            }
            writer.flush();
        };
        write(15);
        let mut follower = Follower::new(folder.path(), 3).unwrap();
        let mut found = follower.poll().unwrap();
        assert_eq!(texts(&found), ["line 12", "line 13", "line 14"]);
        for count in [1, 9, 10, 11, 40, 0, 25] {
            write(count);
            found.extend(follower.poll().unwrap());
        }
        let expected: Vec<String> = (12..111).map(|n| format!("line {n}")).collect();
        assert_eq!(texts(&found), expected);
        write(500);
        let late = follower.poll().unwrap();
        assert_eq!(late.last().unwrap().line, "line 610", "what is not kept any more is passed over");
        assert!(late.len() < 500);
    }
}
