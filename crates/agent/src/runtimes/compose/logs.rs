//! What the containers of a project print, asked of the engine each time: nothing of it is kept elsewhere.

use std::collections::BTreeMap;

use landfall_docker::{Engine, LogOptions};
use landfall_model::api::LogLine;
use landfall_model::{Fault, Release, Timestamp};
use landfall_shim::Redactor;

use super::boot::instance_id;
use super::seen::Seen;
use crate::host::LocalHost;

/// How far each container's output was read, by the container's id.
pub(crate) type Read = BTreeMap<String, Place>;

/// A line in a container's output: its moment, and its number among the lines of that millisecond.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place {
    millis: u64,
    number: usize,
}

impl LocalHost {
    /// The lines that came since `read`, by time, each with its part in front and secrets blacked out; of a container that
    /// was never read the last `tail`. Blocks.
    pub(crate) fn project_lines(
        &self,
        release: &Release,
        read: &mut Read,
        tail: usize,
    ) -> Result<Vec<LogLine>, Fault> {
        let engine = self.docker()?;
        let redactor = Redactor::new(&self.secret_values(release).unwrap_or_default());
        let mut all = Vec::new();
        for one in self.seen(release)? {
            let place = read.entry(one.container.id.clone()).or_default();
            let lines = self.wait_for(lines_of(&engine, &one, place, tail))?;
            all.extend(lines.into_iter().map(|line| LogLine {
                at: line.at,
                service: release.service().clone(),
                instance: instance_id(&one.container.id),
                version: release.id.version().clone(),
                stream: line.stream,
                line: format!("{}: {}", one.part, redactor.redact(&line.text)),
            }));
        }
        all.sort_by_key(|line| line.at);
        Ok(all)
    }
}

/// The lines of one container behind a place, which moves to the last of them.
async fn lines_of(
    engine: &Engine,
    one: &Seen,
    place: &mut Place,
    tail: usize,
) -> Result<Vec<landfall_docker::LogLine>, Fault> {
    let known = (place.millis > 0).then(|| Timestamp::from_millis(place.millis));
    let tail = if known.is_some() { None } else { Some(u32::try_from(tail).unwrap_or(u32::MAX)) };
    let options = LogOptions { since: known, tail, follow: false };
    let mut logs = engine.logs(&one.container.id, &options).await?;
    let (mut at, mut fresh) = (Place { millis: place.millis, number: 0 }, Vec::new());
    while let Some(line) = logs.next().await? {
        let millis = line.at.millis();
        at = if millis > at.millis {
            Place { millis, number: 1 }
        } else {
            Place { number: at.number + 1, ..at }
        };
        if (at.millis, at.number) > (place.millis, place.number) {
            fresh.push(line);
        }
    }
    if (at.millis, at.number) > (place.millis, place.number) {
        *place = at;
    }
    Ok(fresh)
}
