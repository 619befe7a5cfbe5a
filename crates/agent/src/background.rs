//! What the agent does unasked: it drains and stops old releases, sets new supervisors beside instances that lost
//! theirs, and starts the proxy again when it is gone.

use std::sync::Arc;
use std::time::Duration;

use landfall_fx::host::Instances as _;
use landfall_model::{Fault, Release, ReleaseState};
use tokio::task::{JoinError, JoinHandle};

use crate::agent::{Agent, Notes};
use crate::exclusive::Exclusive;
use crate::host::LocalHost;
use crate::housekeeping;
use crate::state::InstanceRow;

/// Between two looks at instances and proxy.
const LOOK: Duration = Duration::from_secs(1);

/// Between two tries to stop what could not be stopped.
const AGAIN: Duration = Duration::from_secs(5);

/// Between two looks whether the transaction has ended that keeps an old release from being stopped.
const PATIENCE: Duration = Duration::from_millis(200);

/// How the note begins that is taken back once the proxy runs.
const PROXY_NOTE: &str = "the proxy does not start";

/// Starts all of it on the agent's runtime.
pub(crate) fn start(agent: &Arc<Agent>) {
    tokio::spawn(retire(Arc::clone(agent)));
    tokio::spawn(look_after(Arc::clone(agent)));
    tokio::spawn(housekeeping::collect(Arc::clone(agent)));
}

/// Waits for old releases, one task for each: a long drain holds up no other. A task ends with the reason for it: a
/// release that serves again, and is retired once more, is drained anew.
async fn retire(agent: Arc<Agent>) {
    let mut under_way: Vec<(Release, JoinHandle<()>)> = Vec::new();
    loop {
        under_way.retain(|(_, task)| !task.is_finished());
        let host = Arc::clone(&agent.host);
        let listed =
            tokio::task::spawn_blocking(move || host.state().releases_in(ReleaseState::Retiring)).await;
        match flatten(listed) {
            Ok(releases) => {
                for (_, task) in under_way.extract_if(.., |(known, _)| !releases.contains(known)) {
                    task.abort();
                }
                for release in releases {
                    if !under_way.iter().any(|(known, _)| *known == release) {
                        let task = tokio::spawn(retire_one(Arc::clone(&agent), release.clone()));
                        under_way.push((release, task));
                    }
                }
            }
            Err(fault) => agent.notes.add(fault.message),
        }
        tokio::select! {
            () = agent.host.retiring().notified() => {}
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

/// A panic on a thread of the agent as a fault: the background goes on.
fn flatten<T>(done: Result<Result<T, Fault>, JoinError>) -> Result<T, Fault> {
    done.unwrap_or_else(|error| Err(Fault::internal(format!("the agent failed inside: {error}"))))
}

async fn retire_one(agent: Arc<Agent>, release: Release) {
    let exclusive = agent.transactions.exclusive();
    let place = (release.app.clone(), release.environment.clone());
    loop {
        // When the proxy cannot say, the drain time has been waited for all the same.
        if agent.host.drained(&release, release.spec.drain.duration()).await.is_err() {
            tokio::time::sleep(release.spec.drain.duration()).await;
        }
        let Some(guard) = exclusive.acquire(&place, Duration::ZERO) else {
            // What the transaction does may send requests to it again: it is drained once more.
            tokio::time::sleep(PATIENCE).await;
            continue;
        };
        let (host, release) = (Arc::clone(&agent.host), release.clone());
        let stopped = tokio::task::spawn_blocking(move || {
            let _guard = guard;
            stop_retired(&host, &release)
        });
        if let Err(fault) = flatten(stopped.await) {
            agent.notes.add(fault.message);
        }
        return;
    }
}

/// Stops a release that is still to be retired: a rollback may have taken it back meanwhile.
fn stop_retired(host: &LocalHost, release: &Release) -> Result<(), Fault> {
    let known = host.state().release(&release.app, &release.environment, &release.id)?;
    if known.is_none_or(|known| known.state != ReleaseState::Retiring) {
        return Ok(());
    }
    host.stop(release)?;
    host.state().set_release_state(release, ReleaseState::Kept)
}

async fn look_after(agent: Arc<Agent>) {
    loop {
        tokio::time::sleep(LOOK).await;
        look_after_proxy(&agent).await;
        let (host, notes, exclusive) =
            (Arc::clone(&agent.host), Arc::clone(&agent.notes), agent.transactions.exclusive());
        let looked = tokio::task::spawn_blocking(move || supervise(&host, &notes, &exclusive)).await;
        if let Err(fault) = flatten(looked) {
            agent.notes.add(fault.message);
        }
    }
}

async fn look_after_proxy(agent: &Agent) {
    let proxy = agent.host.proxy();
    if !proxy.is_wanted() || proxy.is_running().await {
        return;
    }
    match proxy.ensure().await {
        Ok(()) => agent.notes.settle(PROXY_NOTE),
        // The lines of its log differ each time.
        Err(fault) => agent.notes.add(fault.message.lines().next().unwrap_or(PROXY_NOTE).to_owned()),
    }
}

/// Sets a supervisor beside each instance that should run and has none.
fn supervise(host: &LocalHost, notes: &Notes, exclusive: &Arc<Exclusive>) -> Result<(), Fault> {
    for row in host.state().instances()? {
        if landfall_shim::is_alive(&host.dir().instance(&row.id)) {
            continue;
        }
        // A transaction that is at work starts and stops instances itself.
        let Some(_guard) = exclusive.acquire(&(row.app.clone(), row.environment.clone()), Duration::ZERO)
        else {
            continue;
        };
        let still = host.state().instances()?.contains(&row);
        let Some(known) = host.state().release(&row.app, &row.environment, &row.release)? else { continue };
        if still {
            let beginning = format!("an instance of {} cannot be started", row.release);
            match revive(host, &known.release, &row) {
                Ok(()) => notes.settle(&beginning),
                Err(fault) => notes.add(format!("{beginning}: {}", fault.message)),
            }
        }
    }
    Ok(())
}

/// Sets a supervisor beside one instance, at another address when somebody took its own meanwhile. The proxy is told
/// before: an agent that is killed in between finds the instance without a supervisor, and does it all again.
fn revive(host: &LocalHost, release: &Release, row: &InstanceRow) -> Result<(), Fault> {
    let usable = host.with_usable_address(release, row, &host.addresses()?)?;
    if usable != *row {
        host.state().add_instances(std::slice::from_ref(&usable))?;
    }
    host.follow_addresses(release)?;
    host.ensure_supervisor(release, &usable)
}
