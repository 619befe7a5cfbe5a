//! The proxy's access log, of one application's routes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use landfall_model::api::AccessLine;
use landfall_model::{AppName, EnvironmentName, Fault};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::logs::{LINES, LogQuery, MAX_LINES, QUEUE, services};
use super::transactions::NDJSON;
use super::{Answer, PlacePath, blocking};
use crate::agent::Agent;

/// Of what is there already, the newest bytes that are searched.
const MAX_SEARCHED: u64 = 32 * 1024 * 1024;
/// Read at once while following; what is more comes with the next look.
const MAX_READ: u64 = 1024 * 1024;
/// The longest line that is waited for; a longer one is none of the proxy's.
const MAX_LINE: usize = 64 * 1024;
/// Between two looks for new lines.
const LOOK: Duration = Duration::from_millis(200);

/// Streams the newest lines of the access log that are about an application, and with `follow` those to come.
#[utoipa::path(get, path = "/v1/apps/{app}/{env}/access",
    params(("app" = String, Path), ("env" = String, Path), ("services" = Option<String>, Query),
        ("lines" = Option<usize>, Query), ("follow" = Option<bool>, Query)),
    responses((status = 200, body = AccessLine, content_type = "application/x-ndjson"), (status = 400, body = Fault)))]
pub(crate) async fn access(
    State(agent): State<Arc<Agent>>,
    Path(place): Path<PlacePath>,
    Query(query): Query<LogQuery>,
) -> Answer<Response> {
    let routes = routes(&place.app, &place.env, query.services.as_deref())?;
    let lines = query.lines.unwrap_or(LINES).min(MAX_LINES);
    let follow = query.follow.unwrap_or(false);
    let path = agent.host.dir().proxy_access_log();
    let first = blocking(move || {
        let unreadable = |error: io::Error| Fault::machine(format!("the access log cannot be read: {error}"));
        Following::begin(path, routes, lines).map_err(unreadable)
    });
    let (mut following, mut batch) = first.await?;
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::convert::Infallible>>(QUEUE);
    tokio::spawn(async move {
        loop {
            if !batch.is_empty() && sender.send(Ok(batch.into())).await.is_err() {
                return;
            }
            if !follow || sender.is_closed() {
                return;
            }
            tokio::time::sleep(LOOK).await;
            let polled = tokio::task::spawn_blocking(move || {
                let batch = following.poll().unwrap_or_default();
                (following, batch)
            });
            let Ok(next) = polled.await else { return };
            (following, batch) = next;
        }
    });
    Ok(([(CONTENT_TYPE, NDJSON)], Body::from_stream(ReceiverStream::new(receiver))).into_response())
}

/// What a line about these services has in it: quotes in what clients sent are escaped, so that nothing else looks so.
fn routes(app: &AppName, environment: &EnvironmentName, list: Option<&str>) -> Result<Vec<Vec<u8>>, Fault> {
    let wanted = services(list)?;
    if wanted.is_empty() {
        return Ok(vec![format!("\"route\":\"{app}/{environment}/").into_bytes()]);
    }
    Ok(wanted
        .iter()
        .map(|service| format!("\"route\":\"{app}/{environment}/{service}\"").into_bytes())
        .collect())
}

/// Follows the log, also into the file that comes after it.
struct Following {
    path: PathBuf,
    routes: Vec<Vec<u8>>,
    file: Option<File>,
    /// The begin of a line whose end is not written yet.
    begun: Vec<u8>,
}

impl Following {
    /// The newest `lines` that are there, and what follows them.
    fn begin(path: PathBuf, routes: Vec<Vec<u8>>, lines: usize) -> io::Result<(Self, Vec<u8>)> {
        let mut following = Self { path, routes, file: None, begun: Vec::new() };
        let mut newest = VecDeque::new();
        let mut before = following.path.clone().into_os_string();
        before.push(".1");
        let mut left = MAX_SEARCHED;
        let current = open(&following.path)?;
        if let Some(file) = &current {
            left = left.saturating_sub(file.metadata()?.len());
        }
        for (file, most) in [(open(before.as_ref())?, left), (current, MAX_SEARCHED)] {
            following.begun.clear();
            let Some(mut file) = file.filter(|_| most > 0) else { continue };
            let length = file.metadata()?.len();
            let start = length.saturating_sub(most);
            file.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            (&mut file).take(most).read_to_end(&mut bytes)?;
            if start > 0 {
                // A line that is cut is none.
                let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
                bytes.drain(..end);
            }
            for line in following.whole(&bytes) {
                if newest.len() == lines {
                    newest.pop_front();
                }
                newest.push_back(line);
            }
            following.file = Some(file);
        }
        Ok((following, newest.into_iter().take(lines).flatten().collect()))
    }

    /// The lines that came since.
    fn poll(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // Asked first: nothing is written to a file any more once another one has its name.
        let is_over = self.is_over()?;
        if let Some(file) = &self.file {
            file.take(MAX_READ).read_to_end(&mut bytes)?;
        }
        if bytes.is_empty() && is_over {
            self.file = open(&self.path)?;
            self.begun.clear();
        }
        Ok(self.whole(&bytes).into_iter().flatten().collect())
    }

    /// Whether another file has the log's name now.
    fn is_over(&self) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(true) };
        match std::fs::metadata(&self.path) {
            Ok(now) => Ok(now.ino() != file.metadata()?.ino()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The whole lines that are wanted, each with its end; the rest is kept for later.
    fn whole(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(piece);
            if self.begun.ends_with(b"\n") {
                let line = std::mem::take(&mut self.begun);
                if self.routes.iter().any(|route| contains(&line, route)) {
                    lines.push(line);
                }
            } else if self.begun.len() > MAX_LINE {
                self.begun.clear();
            }
        }
        lines
    }
}

fn open(path: &std::path::Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn contains(line: &[u8], needle: &[u8]) -> bool {
    line.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn line(route: &str, path: &str) -> String {
        format!("{{\"path\":\"{path}\",\"route\":\"{route}\",\"ms\":1.0}}\n")
    }

    fn wanted(list: Option<&str>) -> Vec<Vec<u8>> {
        routes(&"shop".parse().unwrap(), &"dev".parse().unwrap(), list).unwrap()
    }

    #[test]
    fn lines_of_one_application_are_followed_through_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let write = |path: &std::path::Path, text: &str| {
            File::options().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
        };
        write(&folder.path().join("log.1"), &line("shop/dev/web", "/oldest"));
        let lines = [line("shop/dev/web", "/1"), line("shop/prod/web", "/2"), line("shop/dev/api", "/3")];
        write(&path, &lines.concat());
        // What a client sends is escaped.
        write(&path, "{\"path\":\"/\\\"route\\\":\\\"shop/dev/web\\\"\",\"route\":\"x/dev/web\"}\n");

        let (_, all) = Following::begin(path.clone(), wanted(None), 10).unwrap();
        let expected = [line("shop/dev/web", "/oldest"), lines[0].clone(), lines[2].clone()].concat();
        assert_eq!(String::from_utf8(all).unwrap(), expected);
        let (_, one) = Following::begin(path.clone(), wanted(Some("web")), 1).unwrap();
        assert_eq!(String::from_utf8(one).unwrap(), lines[0]);

        let (mut following, none) = Following::begin(path.clone(), wanted(Some("api")), 0).unwrap();
        assert!(none.is_empty());
        let new = line("shop/dev/api", "/4");
        let (head, tail) = new.split_at(12);
        write(&path, head);
        assert!(following.poll().unwrap().is_empty());
        write(&path, tail);
        std::fs::rename(&path, folder.path().join("log.1")).unwrap();
        write(&path, &line("shop/dev/api", "/5"));
        let mut came = Vec::new();
        for _ in 0..4 {
            came.extend(following.poll().unwrap());
        }
        assert_eq!(String::from_utf8(came).unwrap(), new + &line("shop/dev/api", "/5"));
    }

    #[test]
    fn no_log_is_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (mut following, none) = Following::begin(path.clone(), wanted(None), 10).unwrap();
        assert!(none.is_empty() && following.poll().unwrap().is_empty());
        std::fs::write(&path, line("shop/dev/web", "/")).unwrap();
        following.poll().unwrap();
        assert!(!following.poll().unwrap().is_empty());
    }
}
