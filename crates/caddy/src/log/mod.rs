//! What Caddy's access log says of requests: counts by route and label, read on from where the last look ended.

mod counts;
mod line;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use landfall_fx::{Files as _, RealFiles};
use serde::{Deserialize, Serialize};

pub(crate) use counts::Counts;
use line::Hit;

/// The longest line that is read; longer ones are not counted.
const MAX_LINE: usize = 256 * 1024;

/// A place in the log: a file and how far it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    inode: u64,
    offset: u64,
}

/// Counts of all routes, as far as the log was read.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    at: Option<Position>,
    counts: BTreeMap<String, BTreeMap<String, Counts>>,
    /// Where each route's meter was started, and what was counted until then.
    marks: BTreeMap<String, (Position, Option<Counts>)>,
}

impl Tally {
    /// Reads what was written since the last look. The first look begins with the oldest file that is kept; it takes the
    /// marks of meters from `marks`, which an agent before this one may have made.
    pub(crate) fn advance(
        &mut self,
        log: &Path,
        marks: impl FnOnce() -> BTreeMap<String, Position>,
    ) -> io::Result<()> {
        let files = files(log)?;
        let mut from = 0;
        let mut first = 0;
        match self.at {
            Some(at) => {
                // A file that was rolled away since is lost; the oldest there is comes next.
                if let Some(index) = files.iter().position(|(_, inode)| *inode == at.inode) {
                    (first, from) = (index, at.offset);
                }
            }
            None => self.marks = marks().into_iter().map(|(id, at)| (id, (at, None))).collect(),
        }
        for (path, inode) in &files[first..] {
            self.read(path, *inode, from)?;
            from = 0;
        }
        Ok(())
    }

    fn read(&mut self, path: &Path, inode: u64, from: u64) -> io::Result<()> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        let mut reader = BufReader::with_capacity(256 * 1024, file);
        let mut offset = from;
        let mut line = Vec::new();
        loop {
            self.snapshot(Position { inode, offset });
            self.at = Some(Position { inode, offset });
            line.clear();
            let count = reader.read_until(b'\n', &mut line)?;
            if line.last() != Some(&b'\n') {
                // What is not whole yet is read with the next look.
                return Ok(());
            }
            offset += count as u64;
            if line.len() <= MAX_LINE
                && let Some(hit) = Hit::read(&line)
            {
                self.take(&hit);
            }
        }
    }

    fn take(&mut self, hit: &Hit<'_>) {
        if hit.probe {
            return;
        }
        let route = match self.counts.get_mut(hit.route) {
            Some(route) => route,
            None => self.counts.entry(hit.route.to_owned()).or_default(),
        };
        match route.get_mut(hit.label) {
            Some(counts) => counts.add(hit),
            None => route.entry(hit.label.to_owned()).or_default().add(hit),
        }
    }

    /// Remembers what was counted when a mark is reached.
    fn snapshot(&mut self, at: Position) {
        for (id, (mark, counts)) in &mut self.marks {
            if counts.is_none() && mark.inode == at.inode && mark.offset <= at.offset {
                *counts = Some(sum(self.counts.get(id)));
            }
        }
    }

    /// Starts a route's meter where the log was read to; gives the mark to be kept.
    pub(crate) fn mark(&mut self, id: &str) -> Option<Position> {
        let at = self.at?;
        let counts = sum(self.counts.get(id));
        self.marks.insert(id.to_owned(), (at, Some(counts)));
        Some(at)
    }

    /// A route's requests since its meter was started; since the log begins when it never was.
    pub(crate) fn since_mark(&self, id: &str) -> Counts {
        let all = sum(self.counts.get(id));
        match self.marks.get(id) {
            Some((_, Some(before))) => all.without(before),
            _ => all,
        }
    }

    /// A route's requests by label, since the log begins.
    pub(crate) fn labels(&self, id: &str) -> BTreeMap<String, Counts> {
        self.counts.get(id).cloned().unwrap_or_default()
    }
}

fn sum(route: Option<&BTreeMap<String, Counts>>) -> Counts {
    let mut all = Counts::default();
    route.into_iter().flat_map(BTreeMap::values).for_each(|counts| all.merge(counts));
    all
}

/// The log's files that there are, the oldest first: Caddy puts the moment into the names of those it has rolled.
fn files(log: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let folder = log.parent().unwrap_or_else(|| Path::new("/"));
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path != log && path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    files.sort();
    files.push(log.to_owned());
    let known = files.into_iter().filter_map(|path| {
        let inode = fs::metadata(&path).ok()?.ino();
        Some((path, inode))
    });
    Ok(known.collect())
}

/// Keeps a mark for an agent after this one.
pub(crate) fn keep_mark(path: &Path, mark: Position) -> io::Result<()> {
    RealFiles.replace(path, &serde_json::to_vec(&mark).map_err(io::Error::other)?)
}

/// The mark that was kept.
pub(crate) fn kept_mark(path: &Path) -> Option<Position> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn line(tag: &str, status: u16, seconds: &str) -> String {
        format!(
            "{{\"level\":\"info\",\"request\":{{\"uri\":\"/\\\"user_id\\\":\\\"x\"}},\"user_id\":\"{tag}\",\"duration\":{seconds},\"size\":1,\"status\":{status}}}\n"
        )
    }

    fn append(path: &Path, text: &str) {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn requests_are_counted_once_also_when_the_log_is_rolled() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("access.log");
        let mut tally = Tally::default();
        tally.advance(&log, BTreeMap::new).unwrap();
        append(&log, &line("a/d/web 1 a e p", 200, "0.001"));
        let half = line("a/d/web 1 a e p", 500, "0.002");
        append(&log, &half[..40]);
        tally.advance(&log, BTreeMap::new).unwrap();
        assert_eq!(tally.labels("a/d/web")["1"].requests, 1);
        append(&log, &half[40..]);
        append(&log, &line("a/d/web 1 a e p1", 200, "0.001"));
        append(&log, &line("a/d/web 2 b e502 p", 502, "0.003"));
        fs::rename(&log, folder.path().join("access-2026-11-21T05-00-00.000.log")).unwrap();
        append(&log, &line("a/d/web 2 w e p", 200, "0.9"));
        tally.advance(&log, BTreeMap::new).unwrap();
        tally.advance(&log, BTreeMap::new).unwrap();
        let labels = tally.labels("a/d/web");
        assert_eq!((labels["1"].requests, labels["1"].errors, labels["1"].failed), (2, 1, 0));
        assert_eq!((labels["2"].requests, labels["2"].errors, labels["2"].failed), (2, 1, 1));
        assert_eq!(labels["2"].held, 1);
    }

    #[test]
    fn a_meter_counts_from_its_mark_also_for_another_agent() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("access.log");
        append(&log, &line("a/d/web 1 a e p", 200, "0.001"));
        let mut tally = Tally::default();
        tally.advance(&log, BTreeMap::new).unwrap();
        let mark = tally.mark("a/d/web").unwrap();
        append(&log, &line("a/d/web 1 a e p", 200, "0.001"));
        append(&log, &line("a/d/web 2 b e p", 200, "0.001"));
        tally.advance(&log, BTreeMap::new).unwrap();
        assert_eq!(tally.since_mark("a/d/web").requests, 2);
        let mut other = Tally::default();
        other.advance(&log, || BTreeMap::from([("a/d/web".to_owned(), mark)])).unwrap();
        assert_eq!(other.since_mark("a/d/web").requests, 2);
        assert_eq!(other.labels("a/d/web")["1"].requests, 2);
    }
}
