//! Old instances on their way out: kept warm until their moment, drained, told to end, each in a task of its own. What
//! stands in their rows is what counts, so that a new agent goes on where an earlier one was killed; whoever wants one
//! back takes its row back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use landfall_model::{Fault, InstanceId, Millis, Release, ReleaseState, Timestamp};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::agent::Agent;
use crate::background::flatten;
use crate::host::LocalHost;
use crate::runtimes::{self, Ending};
use crate::state::{InstanceRow, Measured, Stay};

/// Between two looks at all rows, when nobody says that one has changed; also between two tries of what failed.
const AGAIN: Duration = Duration::from_secs(5);

/// Between two looks at an instance that was told to end: at first, and at most.
const LOOK: Duration = Duration::from_millis(5);
const LOOK_MAX: Duration = Duration::from_secs(1);

/// Between two questions to the proxy whether requests are under way.
const ASK: Duration = Duration::from_millis(250);

/// The instances that are being ended by this agent at this moment.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    ending: Mutex<BTreeSet<InstanceId>>,
    ended: Condvar,
    changed: Notify,
}

impl Leaving {
    /// Says that rows have changed.
    pub(crate) fn changed(&self) {
        self.changed.notify_one();
    }

    fn ending(&self) -> MutexGuard<'_, BTreeSet<InstanceId>> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an instance is being ended.
    pub(crate) fn has(&self, id: &InstanceId) -> bool {
        self.ending().contains(id)
    }

    /// Waits, at most `wait`, until none of these is being ended; gives those that are still. Blocks.
    pub(crate) fn wait<'a>(
        &self,
        ids: impl Iterator<Item = &'a InstanceId>,
        wait: Duration,
    ) -> BTreeSet<InstanceId> {
        let ids: BTreeSet<InstanceId> = ids.cloned().collect();
        let waited = self.ended.wait_timeout_while(self.ending(), wait, |ending| !ending.is_disjoint(&ids));
        let (ending, _) = waited.unwrap_or_else(PoisonError::into_inner);
        ending.intersection(&ids).cloned().collect()
    }
}

/// As long as it lives an instance counts as being ended.
struct Departure {
    host: Arc<LocalHost>,
    id: InstanceId,
}

impl Departure {
    /// `None` when it is being ended already.
    fn begin(host: &Arc<LocalHost>, id: &InstanceId) -> Option<Self> {
        let fresh = host.leaving().ending().insert(id.clone());
        fresh.then(|| Self { host: Arc::clone(host), id: id.clone() })
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        self.host.leaving().ending().remove(&self.id);
        self.host.leaving().ended.notify_all();
        self.host.leaving().changed();
    }
}

/// Sees instances off for as long as the agent runs.
pub(crate) async fn see_off(agent: Arc<Agent>) {
    let mut waiting: BTreeMap<InstanceId, (InstanceRow, JoinHandle<()>)> = BTreeMap::new();
    loop {
        waiting.retain(|_, (_, task)| !task.is_finished());
        let host = Arc::clone(&agent.host);
        let looked = spawn_blocking(move || {
            if !host.state().releases_in(ReleaseState::Retiring)?.is_empty() {
                host.state().settle_retired()?;
            }
            host.state().leaving()
        });
        match flatten(looked.await) {
            Ok(rows) => {
                // One that is wanted back, or waits for another moment by now, is let go of.
                waiting.retain(|_, (row, task)| {
                    let still = rows.contains(row);
                    if !still {
                        task.abort();
                    }
                    still
                });
                for row in rows {
                    if matches!(row.stay, Stay::Ending(_)) {
                        end(&agent, row);
                    } else if !waiting.contains_key(&row.id) {
                        let task = tokio::spawn(wait(Arc::clone(&agent), row.clone()));
                        waiting.insert(row.id.clone(), (row, task));
                    }
                }
            }
            Err(fault) => agent.notes.add(fault.message),
        }
        tokio::select! {
            () = agent.host.leaving().changed.notified() => {}
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

/// Waits for the moment from which an instance is not wanted any more, and then for its requests; then tells it to end.
async fn wait(agent: Arc<Agent>, row: InstanceRow) {
    let Stay::Until(leaves) = row.stay else { return };
    let Ok(release) = release_of(&agent.host, &row).await else { return };
    // The wall clock may jump: a moment that is further away than it can be is now.
    let now = agent.host.clock().now();
    let most = Duration::from_secs(7 * 24 * 60 * 60);
    tokio::time::sleep(leaves.since(now).min(most)).await;
    drain(&agent.host, &release, &row, left(&agent.host, leaves, release.spec.drain)).await;
    end(&agent, row);
}

/// What is left of the time to drain of an instance that has left at `leaves`.
fn left(host: &LocalHost, leaves: Timestamp, drain: Millis) -> Duration {
    drain.duration().saturating_sub(host.clock().now().since(leaves))
}

async fn release_of(host: &Arc<LocalHost>, row: &InstanceRow) -> Result<Release, Fault> {
    let (host, row) = (Arc::clone(host), row.clone());
    let known = spawn_blocking(move || host.state().release(&row.app, &row.environment, &row.release));
    let known = flatten(known.await)?;
    known
        .map(|known| known.release)
        .ok_or_else(|| Fault::internal("an instance of a release that nobody knows"))
}

/// Waits, at most `wait`, until no request to an instance is under way. When its release gets no more requests all of it
/// is waited for; else only the instance itself.
async fn drain(host: &LocalHost, release: &Release, row: &InstanceRow, wait: Duration) {
    let Some(route) = &release.spec.route else { return };
    let Ok(door) = host.door_of(release, route).await else { return };
    let (id, label) = (release.route_id(), release.id.version().to_string());
    let serves = match door.plate().await {
        Ok(Some(plate)) => plate.routes.iter().any(|known| {
            known.config.id == id && known.config.pools.iter().any(|share| share.pool.label == label)
        }),
        Ok(None) => return,
        Err(_) => false,
    };
    let waited = async {
        let address = row.address.as_ref().and_then(|address| address.parse().ok());
        let Some(address) = address.filter(|_| serves) else {
            return door.drained(&id, &label, wait).await.map(drop);
        };
        // A request may be between the choice of its instance and its begin: twice nothing is nothing.
        let mut quiet = 0;
        while quiet < 2 {
            quiet = if door.busy(&id, address).await? == 0 { quiet + 1 } else { 0 };
            tokio::time::sleep(ASK).await;
        }
        Ok::<(), Fault>(())
    };
    if let Ok(Err(_)) = tokio::time::timeout(wait, waited).await {
        // The proxy cannot say: the time to drain is waited for all the same.
        tokio::time::sleep(wait).await;
    }
}

/// Ends an instance that nobody wants back, in a task that goes on whatever becomes of the row from then on. It counts as
/// being ended before its row says so: who takes the row back later waits for the task.
fn end(agent: &Arc<Agent>, row: InstanceRow) {
    let Some(departure) = Departure::begin(&agent.host, &row.id) else { return };
    let agent = Arc::clone(agent);
    tokio::spawn(async move {
        let Ok(release) = release_of(&agent.host, &row).await else { return };
        let (host, id) = (Arc::clone(&agent.host), row.id.clone());
        match flatten(spawn_blocking(move || host.state().begin_end(&id)).await) {
            Ok(true) => {}
            Ok(false) => return,
            Err(fault) => {
                agent.notes.add(fault.message);
                // Not at once again: a state that cannot be written may be soon.
                tokio::time::sleep(AGAIN).await;
                return;
            }
        }
        let begun = agent.host.clock().elapsed();
        let mut ending = runtimes::of(&release).ending(&agent.host, &release, &row);
        let mut pause = LOOK;
        loop {
            let (looked, gone) = look(&agent, &release, ending).await;
            ending = match (looked, gone) {
                (Some(ending), Ok(false)) => ending,
                (_, Ok(_)) => break,
                (_, Err(fault)) => {
                    agent.notes.add(fault.message);
                    tokio::time::sleep(AGAIN).await;
                    runtimes::of(&release).ending(&agent.host, &release, &row)
                }
            };
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_MAX);
        }
        let took = Millis::from(agent.host.clock().elapsed().saturating_sub(begun)).0;
        let host = Arc::clone(&agent.host);
        let ended = spawn_blocking(move || {
            let known = host.state().release(&release.app, &release.environment, &release.id)?;
            if known.is_some_and(|known| known.state != ReleaseState::Failed) {
                // A figure for the next forecast, which a stop is done without.
                let _ = host.state().measured(&release, Measured::Stop, took);
            }
            host.state().ended(&row.id)?;
            host.state().settle_retired()
        });
        if let Err(fault) = flatten(ended.await) {
            agent.notes.add(fault.message);
        }
        drop(departure);
    });
}

/// One look at an instance that is being ended, on a thread that may block.
async fn look(
    agent: &Arc<Agent>,
    release: &Release,
    mut ending: Box<dyn Ending>,
) -> (Option<Box<dyn Ending>>, Result<bool, Fault>) {
    let (host, release) = (Arc::clone(&agent.host), release.clone());
    let looked = spawn_blocking(move || {
        let gone = ending.has_ended(&host, &release);
        (ending, gone)
    });
    match looked.await {
        Ok((ending, gone)) => (Some(ending), gone),
        Err(error) => (None, Err(Fault::internal(format!("the agent failed inside: {error}")))),
    }
}
