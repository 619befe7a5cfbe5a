//! What instances print, of all services together, by time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use landfall_model::api::LogLine;
use landfall_model::{AppName, EnvironmentName, Fault, InstanceId, Release, ReleaseId, Runtime, ServiceName};
use landfall_shim::log::{Entry, Follower, tail};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::transactions::NDJSON;
use super::{Answer, PlacePath, blocking};
use crate::agent::Agent;
use crate::host::LocalHost;
use crate::runtimes::compose::logs::Read;

/// Lines shown when the caller names no number, and the most that may be named.
pub(super) const LINES: usize = 100;
pub(super) const MAX_LINES: usize = 10_000;

/// Lines that are sent as one piece.
const PIECE: usize = 500;

/// Between two looks for new lines.
const LOOK: Duration = Duration::from_millis(100);

/// Looks between two searches for instances that are new.
const SEARCH_EVERY: u32 = 10;

/// Batches waiting for a slow reader; then following waits too.
pub(super) const QUEUE: usize = 16;

#[derive(Debug, Deserialize)]
pub(crate) struct LogQuery {
    pub(super) services: Option<String>,
    pub(super) lines: Option<usize>,
    pub(super) follow: Option<bool>,
}

/// An instance whose output is wanted, running or not.
#[derive(Debug, Clone)]
struct Source {
    id: InstanceId,
    release: ReleaseId,
    folder: PathBuf,
}

/// Streams the last lines of all instances as lines of JSON, by time, and with `follow` the new ones as they come.
#[utoipa::path(get, path = "/v1/apps/{app}/{env}/logs",
    params(("app" = String, Path), ("env" = String, Path), ("services" = Option<String>, Query),
        ("lines" = Option<usize>, Query), ("follow" = Option<bool>, Query)),
    responses((status = 200, body = LogLine, content_type = "application/x-ndjson"), (status = 400, body = Fault)))]
pub(crate) async fn logs(
    State(agent): State<Arc<Agent>>,
    Path(place): Path<PlacePath>,
    Query(query): Query<LogQuery>,
) -> Answer<Response> {
    let wanted = services(query.services.as_deref())?;
    let lines = query.lines.unwrap_or(LINES).min(MAX_LINES);
    let follow = query.follow.unwrap_or(false);
    let host = Arc::clone(&agent.host);
    let first = blocking(move || Following::begin(host, place, wanted, lines)).await?;
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::convert::Infallible>>(QUEUE);
    tokio::spawn(async move {
        let (mut following, lines) = first;
        let mut batch = lines;
        loop {
            for piece in batch.chunks(PIECE) {
                if sender.send(Ok(encode(piece))).await.is_err() {
                    return;
                }
            }
            if !follow || sender.is_closed() {
                return;
            }
            tokio::time::sleep(LOOK).await;
            let polled = tokio::task::spawn_blocking(move || {
                let batch = following.poll();
                (following, batch)
            });
            let Ok(next) = polled.await else { return };
            (following, batch) = next;
        }
    });
    Ok(([(CONTENT_TYPE, NDJSON)], Body::from_stream(ReceiverStream::new(receiver))).into_response())
}

/// The services of a list with commas; none for all.
pub(super) fn services(list: Option<&str>) -> Result<BTreeSet<ServiceName>, Fault> {
    let names = list.unwrap_or_default().split(',').filter(|name| !name.is_empty());
    names
        .map(|name| name.parse().map_err(|e: landfall_model::NameError| Fault::usage(e.to_string())))
        .collect()
}

fn encode(lines: &[LogLine]) -> Bytes {
    let mut bytes = Vec::new();
    for line in lines {
        // A line always has a JSON form; one that had none would be left out.
        if serde_json::to_writer(&mut bytes, line).is_ok() {
            bytes.push(b'\n');
        }
    }
    bytes.into()
}

/// Follows all instances of some services, also those that are started later.
struct Following {
    host: Arc<LocalHost>,
    app: AppName,
    environment: EnvironmentName,
    wanted: BTreeSet<ServiceName>,
    followers: BTreeMap<InstanceId, (Source, Follower)>,
    looks: u32,
    /// How far the output of compose projects was read, by their release.
    projects: Vec<(Release, Read)>,
}

impl Following {
    fn begin(
        host: Arc<LocalHost>,
        place: PlacePath,
        wanted: BTreeSet<ServiceName>,
        lines: usize,
    ) -> Result<(Self, Vec<LogLine>), Fault> {
        let mut following = Self {
            host,
            app: place.app,
            environment: place.env,
            wanted,
            followers: BTreeMap::new(),
            looks: 0,
            projects: Vec::new(),
        };
        following.projects =
            following.projects()?.into_iter().map(|release| (release, Read::new())).collect();
        let mut all = following.project_lines(lines);
        keep_newest(&mut all, lines);
        for source in following.replaced()? {
            let entries = tail(&source.folder, lines).unwrap_or_default();
            all.extend(entries.into_iter().map(|entry| line(&source, entry)));
            keep_newest(&mut all, lines);
        }
        for source in following.sources()? {
            // The follower is made first: a line that comes in between is shown twice rather than not at all.
            if let Ok(follower) = Follower::new(&source.folder, 0) {
                let entries = tail(&source.folder, lines).unwrap_or_default();
                all.extend(entries.into_iter().map(|entry| line(&source, entry)));
                // Never more at once than what is wanted and one instance's.
                keep_newest(&mut all, lines);
                following.followers.insert(source.id.clone(), (source, follower));
            }
        }
        Ok((following, all))
    }

    /// All instances whose output is still kept.
    fn sources(&self) -> Result<Vec<Source>, Fault> {
        let releases = self.host.state().releases(&self.app, &self.environment)?;
        let wanted = releases
            .iter()
            .map(|known| &known.release)
            .filter(|release| self.wanted.is_empty() || self.wanted.contains(release.service()));
        let all =
            wanted.flat_map(|release| release.instances().into_iter().map(|id| (id, release.id.clone())));
        Ok(all
            .map(|(id, release)| Source { folder: self.host.dir().instance(&id), id, release })
            .filter(|source| source.folder.is_dir())
            .collect())
    }

    /// What is kept of containers that compose replaced; no more will come to it.
    fn replaced(&self) -> Result<Vec<Source>, Fault> {
        let releases = self.host.state().releases(&self.app, &self.environment)?.into_iter();
        let wanted = releases.map(|known| known.release).filter(|release| {
            release.spec.runtime == Runtime::Compose
                && (self.wanted.is_empty() || self.wanted.contains(release.service()))
        });
        let source = |release: Release| {
            let folder = self.host.replaced_output(&release);
            Some(Source { id: release.instances().into_iter().next()?, release: release.id, folder })
        };
        Ok(wanted.filter_map(source).filter(|source| source.folder.is_dir()).collect())
    }

    /// The releases of compose projects that are wanted and are there now.
    fn projects(&self) -> Result<Vec<Release>, Fault> {
        let rows = self.host.state().instances()?;
        let releases = self.host.state().releases(&self.app, &self.environment)?.into_iter();
        let releases = releases.map(|known| known.release).filter(|release| {
            release.spec.runtime == Runtime::Compose
                && (self.wanted.is_empty() || self.wanted.contains(release.service()))
                && rows.iter().any(|row| {
                    row.app == release.app
                        && row.environment == release.environment
                        && row.release == release.id
                })
        });
        Ok(releases.collect())
    }

    /// What the containers of compose projects printed since the last time; an engine that cannot say it now may then.
    fn project_lines(&mut self, lines: usize) -> Vec<LogLine> {
        let host = &self.host;
        let read = self.projects.iter_mut();
        read.flat_map(|(release, read)| host.project_lines(release, read, lines).unwrap_or_default())
            .collect()
    }

    fn poll(&mut self) -> Vec<LogLine> {
        self.looks += 1;
        if self.looks.is_multiple_of(SEARCH_EVERY) {
            // A state that cannot be read now is read again at the next search.
            let Ok(sources) = self.sources() else { return Vec::new() };
            for release in self.projects().unwrap_or_default() {
                if !self.projects.iter().any(|(known, _)| known.id == release.id) {
                    self.projects.push((release, Read::new()));
                }
            }
            // What was removed is let go of: an open file takes room on the disk.
            self.followers.retain(|id, _| sources.iter().any(|source| source.id == *id));
            for source in sources {
                if !self.followers.contains_key(&source.id)
                    && let Ok(follower) = Follower::new(&source.folder, MAX_LINES)
                {
                    self.followers.insert(source.id.clone(), (source, follower));
                }
            }
        }
        let mut batch =
            if self.looks.is_multiple_of(SEARCH_EVERY) { self.project_lines(MAX_LINES) } else { Vec::new() };
        for (source, follower) in self.followers.values_mut() {
            let entries = follower.poll().unwrap_or_default();
            batch.extend(entries.into_iter().map(|entry| line(source, entry)));
        }
        batch.sort_by_key(|line| line.at);
        batch
    }
}

/// Puts lines in order and leaves the newest `lines`.
fn keep_newest(all: &mut Vec<LogLine>, lines: usize) {
    all.sort_by_key(|line| line.at);
    let skip = all.len().saturating_sub(lines);
    all.drain(..skip);
}

fn line(source: &Source, entry: Entry) -> LogLine {
    LogLine {
        at: entry.at,
        service: source.release.service().clone(),
        instance: source.id.clone(),
        version: source.release.version().clone(),
        stream: entry.stream,
        line: entry.line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_model::{Stream, Timestamp};

    #[test]
    fn the_newest_lines_are_kept_in_order() {
        let release = crate::runtimes::release_of("1.0.0-20260101000001");
        let source =
            Source { id: release.instances().remove(0), release: release.id, folder: PathBuf::new() };
        let of = |ms: u64| {
            let at = Timestamp::from_millis(ms);
            line(&source, Entry { at, stream: Stream::Out, line: ms.to_string() })
        };
        let mut all = vec![of(5), of(6)];
        all.extend([of(1), of(5), of(9)]);
        keep_newest(&mut all, 3);
        assert_eq!(all.iter().map(|line| line.at.millis()).collect::<Vec<_>>(), [5, 6, 9]);
        keep_newest(&mut all, 10);
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn services_are_names() {
        assert_eq!(services(None).unwrap().len(), 0);
        assert_eq!(services(Some("web,,worker,web")).unwrap().len(), 2);
        services(Some("web,Not One")).unwrap_err();
    }
}
