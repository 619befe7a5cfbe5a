//! What the agent does unasked: it drains and stops old releases, sets new supervisors beside instances that lost
//! theirs, and starts the proxy again when it is gone.

use std::sync::Arc;
use std::time::Duration;

use landfall_fx::host::Instances as _;
use landfall_model::{Fault, Release, ReleaseState};

use crate::agent::{Agent, Notes};
use crate::exclusive::Exclusive;
use crate::host::LocalHost;
use crate::housekeeping;

/// Between two looks at instances and proxy.
const LOOK: Duration = Duration::from_secs(1);

/// Between two tries to stop what could not be stopped.
const AGAIN: Duration = Duration::from_secs(5);

/// How long the background waits for a transaction to end before it looks again.
const PATIENCE: Duration = Duration::from_millis(200);

/// Starts all of it on the agent's runtime.
pub(crate) fn start(agent: &Arc<Agent>) {
    tokio::spawn(retire(Arc::clone(agent)));
    tokio::spawn(look_after(Arc::clone(agent)));
    tokio::spawn(housekeeping::collect(Arc::clone(agent)));
}

/// Waits for old releases, one task for each: a long drain holds up no other.
async fn retire(agent: Arc<Agent>) {
    let mut under_way: Vec<(Release, tokio::task::JoinHandle<()>)> = Vec::new();
    loop {
        under_way.retain(|(_, task)| !task.is_finished());
        let host = Arc::clone(&agent.host);
        let listed =
            tokio::task::spawn_blocking(move || host.state().releases_in(ReleaseState::Retiring)).await;
        match listed {
            Ok(Ok(releases)) => {
                for release in releases {
                    if !under_way.iter().any(|(known, _)| *known == release) {
                        let task = retire_one(
                            Arc::clone(&agent.host),
                            agent.transactions.exclusive(),
                            Arc::clone(&agent.notes),
                            release.clone(),
                        );
                        under_way.push((release, tokio::spawn(task)));
                    }
                }
            }
            Ok(Err(fault)) => agent.notes.add(fault.message),
            Err(_) => return,
        }
        tokio::select! {
            () = agent.host.retiring().notified() => {}
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

async fn retire_one(host: Arc<LocalHost>, exclusive: Arc<Exclusive>, notes: Arc<Notes>, release: Release) {
    // When the proxy cannot say, the drain time has been waited for all the same.
    let waited = host.drained(&release, release.spec.drain.duration()).await;
    if waited.is_err() {
        tokio::time::sleep(release.spec.drain.duration()).await;
    }
    let stopped = tokio::task::spawn_blocking(move || {
        let place = (release.app.clone(), release.environment.clone());
        loop {
            if let Some(_guard) = exclusive.acquire(&place, PATIENCE) {
                return stop_retired(&host, &release);
            }
        }
    });
    if let Ok(Err(fault)) = stopped.await {
        notes.add(fault.message);
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
        if agent.host.proxy().is_wanted()
            && !agent.host.proxy().is_running().await
            && let Err(fault) = agent.host.proxy().ensure().await
        {
            agent.notes.add(fault.message);
        }
        let (host, notes, exclusive) =
            (Arc::clone(&agent.host), Arc::clone(&agent.notes), agent.transactions.exclusive());
        let looked = tokio::task::spawn_blocking(move || supervise(&host, &notes, &exclusive)).await;
        match looked {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => agent.notes.add(fault.message),
            Err(_) => return,
        }
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
            match host.ensure_supervisor(&known.release, &row) {
                Ok(()) => notes.settle(&beginning),
                Err(fault) => notes.add(format!("{beginning}: {}", fault.message)),
            }
        }
    }
    Ok(())
}
