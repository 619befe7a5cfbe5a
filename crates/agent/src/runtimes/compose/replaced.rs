//! What containers printed that compose replaced: their engine's log goes with them, so that the last of it is kept beside
//! the service, for each of its newest releases.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use landfall_docker::{Engine, LogOptions};
use landfall_model::{Fault, Release, Stream, Timestamp};
use landfall_shim::Redactor;
use landfall_shim::log::Writer;

use super::seen::Seen;
use crate::host::LocalHost;
use crate::runtimes::releases::{disk, remove_folder};

/// The last lines that are kept of each container.
const LINES: u32 = 500;

/// Containers whose lines are kept at a time.
const MAX_CONTAINERS: usize = 50;

/// Releases of a service whose lines are kept.
const MAX_RELEASES: usize = 5;

/// What one container printed last, secrets blacked out.
pub(super) struct Tail {
    container: String,
    part: String,
    lines: Vec<(Timestamp, Stream, String)>,
}

impl LocalHost {
    /// What the containers of a release's project printed last. Taken before compose is at work: one that is replaced takes
    /// it along.
    pub(super) fn tails(&self, release: &Release) -> Vec<Tail> {
        let redactor = Redactor::new(&self.secret_values(release).unwrap_or_default());
        let mut seen = self.seen(release).unwrap_or_default();
        seen.retain(|one| self.has_made(&one.container));
        seen.truncate(MAX_CONTAINERS);
        seen.iter().map(|one| self.tail_of(one, &redactor)).collect()
    }

    fn tail_of(&self, one: &Seen, redactor: &Redactor) -> Tail {
        let options = LogOptions { tail: Some(LINES), ..LogOptions::default() };
        let read = |engine: Engine| async move {
            let mut lines = Vec::new();
            let mut logs = engine.logs(&one.container.id, &options).await?;
            while let Some(line) = logs.next().await? {
                lines.push((line.at, line.stream, redactor.redact(&line.text).into_owned()));
            }
            Ok::<_, Fault>(lines)
        };
        // A log that the engine does not give (another driver) is lost with the container, and nothing waits for it.
        let lines = self.docker().and_then(|engine| self.wait_for(read(engine))).unwrap_or_default();
        Tail { container: one.container.id.clone(), part: one.part.clone(), lines }
    }

    /// Keeps the lines of those containers that are gone now, as printed by `release`.
    pub(super) fn keep_replaced(&self, release: &Release, tails: Vec<Tail>) -> Result<(), Fault> {
        let left: BTreeSet<String> = self.seen(release)?.into_iter().map(|one| one.container.id).collect();
        let gone = tails.into_iter().filter(|tail| !left.contains(&tail.container));
        let mut lines: Vec<(Timestamp, Stream, String)> = gone
            .flat_map(|Tail { part, lines, .. }| {
                lines.into_iter().map(move |(at, stream, line)| (at, stream, format!("{part}: {line}")))
            })
            .collect();
        if lines.is_empty() {
            return Ok(());
        }
        lines.sort_by_key(|(at, ..)| *at);
        let folder = self.replaced_output(release);
        fs::create_dir_all(&folder).map_err(|e| disk(&folder, "made", &e))?;
        let mut writer = Writer::open(&folder, &release.spec.limits);
        for (at, stream, line) in lines {
            writer.entry(at, stream, &line);
        }
        writer.flush();
        forget_oldest(folder.parent().unwrap_or(&folder))
    }

    /// Where the lines of a release's containers lie that were replaced.
    pub(crate) fn replaced_output(&self, release: &Release) -> PathBuf {
        self.replaced_outputs(release).join(release.id.version().to_string())
    }

    /// The same of all releases of its service.
    pub(super) fn replaced_outputs(&self, release: &Release) -> PathBuf {
        self.dir().service(&release.app, &release.environment, release.service()).join("replaced")
    }
}

/// Removes what is kept of all but the newest releases.
fn forget_oldest(folder: &Path) -> Result<(), Fault> {
    let entries = fs::read_dir(folder).map_err(|e| disk(folder, "read", &e))?;
    let mut kept: Vec<(String, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version: landfall_model::Version = path.file_name()?.to_str()?.parse().ok()?;
            Some((version.moment().to_owned(), path))
        })
        .collect();
    kept.sort();
    let many = kept.len().saturating_sub(MAX_RELEASES);
    kept.iter().take(many).try_for_each(|(_, path)| remove_folder(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_releases_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for second in (0..8).rev() {
            fs::create_dir(folder.path().join(format!("1.{}.0-2026010100000{second}", 9 - second))).unwrap();
        }
        fs::create_dir(folder.path().join("other")).unwrap();
        forget_oldest(folder.path()).unwrap();
        let mut left: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort_by_key(|name| name.chars().rev().collect::<String>());
        let moments: Vec<String> =
            (3..8).map(|second| format!("1.{}.0-2026010100000{second}", 9 - second)).collect();
        assert_eq!(left.iter().filter(|name| *name != "other").cloned().collect::<Vec<_>>(), moments);
        assert!(left.contains(&"other".to_owned()));
    }
}
