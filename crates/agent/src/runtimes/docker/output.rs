//! What containers print, kept where the output of processes is kept: the engine's own log goes with the container.
//!
//! The engine's log may be read by several at once, and again after a restart of the agent. It always comes in the same
//! order, so that a line is known by its moment and its number among those of the same millisecond.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use landfall_docker::{Engine, LogLine, LogOptions};
use landfall_model::{Fault, InstanceId, Release, Runtime, Timestamp};
use landfall_shim::Redactor;
use landfall_shim::log::{Writer, tail};
use tokio::task::JoinHandle;

use super::names;
use crate::agent::Agent;
use crate::background::flatten;
use crate::host::LocalHost;
use crate::state::InstanceRow;

/// Between two looks for containers whose output is not followed.
const LOOK: Duration = Duration::from_secs(1);

/// How long the last output of a container that ended is waited for.
const LAST: Duration = Duration::from_secs(5);

/// How long it is waited for another line before those that came are written.
const GATHER: Duration = Duration::from_millis(5);

/// Lines of the same millisecond that are looked for at the end of what was written down.
const SAME_MOMENT: usize = 1000;

/// The outputs that are written at this moment.
#[derive(Default)]
pub(crate) struct Outputs {
    open: Mutex<BTreeMap<InstanceId, Arc<Mutex<Output>>>>,
}

/// The output of one container on its way to the disk.
struct Output {
    writer: Writer,
    redactor: Redactor,
    /// The last line that was written down.
    last: Place,
}

/// Where a line stands in a container's output: its moment, and its number among the lines of that millisecond.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    millis: u64,
    number: usize,
}

impl Place {
    /// The place of the line after this one, printed at that moment. A clock that was set back is not believed.
    fn next(self, at: Timestamp) -> Self {
        let millis = at.millis();
        if millis <= self.millis {
            Self { number: self.number + 1, ..self }
        } else {
            Self { millis, number: 1 }
        }
    }
}

impl Output {
    fn write(&mut self, place: Place, line: &LogLine) {
        if place > self.last {
            self.last = place;
            self.writer.entry(
                Timestamp::from_millis(place.millis),
                line.stream,
                &self.redactor.redact(&line.text),
            );
        }
    }
}

impl LocalHost {
    fn output(&self, release: &Release, row: &InstanceRow) -> Result<Arc<Mutex<Output>>, Fault> {
        let mut open = self.outputs().open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.get(&row.id) {
            return Ok(Arc::clone(known));
        }
        let folder = self.dir().instance(&row.id);
        std::fs::create_dir_all(&folder)
            .map_err(|e| Fault::machine(format!("{} cannot be made: {e}", folder.display())))?;
        let written = tail(&folder, SAME_MOMENT).unwrap_or_default();
        let millis = written.last().map_or(0, |entry| entry.at.millis());
        let number = written.iter().rev().take_while(|entry| entry.at.millis() == millis).count();
        // Values that are not in memory any more are in no environment of a container that starts now.
        let values = self.secret_values(release).unwrap_or_default();
        let output = Arc::new(Mutex::new(Output {
            writer: Writer::open(&folder, &release.spec.limits),
            redactor: Redactor::new(&values),
            last: Place { millis, number },
        }));
        open.insert(row.id.clone(), Arc::clone(&output));
        Ok(output)
    }

    /// Writes down what a container has printed and nobody has written down yet.
    pub(super) async fn keep_output(&self, docker: &Engine, release: &Release, row: &InstanceRow) {
        // What cannot be had in time is lost with the container; nothing waits longer for it.
        let _ = tokio::time::timeout(LAST, self.copy_output(docker, release, row, false)).await;
        self.outputs().open.lock().unwrap_or_else(PoisonError::into_inner).remove(&row.id);
    }

    /// Copies lines from the engine; with `follow` until the container ends.
    async fn copy_output(
        &self,
        docker: &Engine,
        release: &Release,
        row: &InstanceRow,
        follow: bool,
    ) -> Result<(), Fault> {
        let output = self.output(release, row)?;
        let lock = || output.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, mut place) = begin(lock().last, self.clock().now());
        let options = LogOptions { since, tail: None, follow };
        let mut lines = docker.logs(&names::container(row), &options).await?;
        loop {
            // Lines that are there already are written together.
            let line = match tokio::time::timeout(GATHER, lines.next()).await {
                Ok(line) => line,
                Err(_) => {
                    lock().writer.flush();
                    lines.next().await
                }
            };
            let Some(line) = line? else { break };
            place = place.next(line.at);
            lock().write(place, &line);
        }
        lock().writer.flush();
        Ok(())
    }
}

/// From when on a log is asked for of which the `last` line is written down, and the place before its first line. All of
/// it when the clock was set back since: what was printed after that seems to be older.
fn begin(last: Place, now: Timestamp) -> (Option<Timestamp>, Place) {
    if last.millis == 0 || last.millis > now.millis() {
        return (None, Place::default());
    }
    (Some(Timestamp::from_millis(last.millis)), Place { millis: last.millis, number: 0 })
}

/// Follows the output of all containers for as long as the agent runs.
pub(crate) async fn follow_all(agent: Arc<Agent>) {
    let mut following: BTreeMap<InstanceId, JoinHandle<()>> = BTreeMap::new();
    loop {
        tokio::time::sleep(LOOK).await;
        following.retain(|_, task| !task.is_finished());
        let host = Arc::clone(&agent.host);
        let looked = tokio::task::spawn_blocking(move || in_containers(&host));
        // A state that cannot be read is told of by others.
        for (row, release) in flatten(looked.await).unwrap_or_default() {
            following.entry(row.id.clone()).or_insert_with(|| {
                let host = Arc::clone(&agent.host);
                tokio::spawn(async move {
                    let engine = {
                        let host = Arc::clone(&host);
                        tokio::task::spawn_blocking(move || host.docker())
                    };
                    // A container that ended, or an engine that is away: looked for again.
                    if let Ok(docker) = flatten(engine.await) {
                        let _ = host.copy_output(&docker, &release, &row, true).await;
                    }
                })
            });
        }
    }
}

/// The instances that are containers, each with its release.
fn in_containers(host: &LocalHost) -> Result<Vec<(InstanceRow, Release)>, Fault> {
    let mut found = Vec::new();
    for row in host.state().instances()? {
        let known = host.state().release(&row.app, &row.environment, &row.release)?;
        if let Some(known) = known.filter(|known| known.release.spec.runtime == Runtime::Docker) {
            found.push((row, known.release));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_known_again_by_its_place() {
        let at = |millis| Timestamp::from_millis(millis);
        let mut place = Place::default();
        let mut places = Vec::new();
        for millis in [5, 5, 6, 5, 9] {
            place = place.next(at(millis));
            places.push((place.millis, place.number));
        }
        assert_eq!(places, [(5, 1), (5, 2), (6, 1), (6, 2), (9, 1)]);
        assert!(places.is_sorted());
        // Read again from the last moment on, the same lines have the same places.
        let (since, place) = begin(Place { millis: 6, number: 2 }, at(8));
        let again = place.next(at(6));
        assert_eq!((since, again.millis, again.number), (Some(at(6)), 6, 1));
        // Unless the clock says that this moment is still to come.
        let (since, mut place) = begin(Place { millis: 9, number: 1 }, at(8));
        assert_eq!(since, None);
        for millis in [5, 5, 6, 5, 9, 7] {
            place = place.next(at(millis));
        }
        assert!(place > Place { millis: 9, number: 1 });
    }
}
