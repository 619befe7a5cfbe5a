//! What the agent does unasked, beside seeing old instances off: it sets new supervisors beside instances that lost theirs,
//! and starts the proxy again when it is gone.

use std::sync::Arc;
use std::time::Duration;

use landfall_model::{Fault, Release};
use tokio::task::JoinError;

use crate::agent::{Agent, Notes};
use crate::doors::watch;
use crate::exclusive::Exclusive;
use crate::host::LocalHost;
use crate::state::{InstanceRow, Stay};
use crate::{housekeeping, leaving};

/// Between two looks at instances and proxy.
const LOOK: Duration = Duration::from_secs(1);

/// How the note begins that is taken back once the proxy runs.
const PROXY_NOTE: &str = "the proxy does not start";

/// Starts all of it on the agent's runtime.
pub(crate) fn start(agent: &Arc<Agent>) {
    tokio::spawn(leaving::see_off(Arc::clone(agent)));
    tokio::spawn(look_after(Arc::clone(agent)));
    tokio::spawn(look_after_caddies(Arc::clone(agent)));
    tokio::spawn(housekeeping::collect(Arc::clone(agent)));
}

/// A panic on a thread of the agent as a fault: the background goes on.
pub(crate) fn flatten<T>(done: Result<Result<T, Fault>, JoinError>) -> Result<T, Fault> {
    done.unwrap_or_else(|error| Err(Fault::internal(format!("the agent failed inside: {error}"))))
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

async fn look_after_caddies(agent: Arc<Agent>) {
    let mut misses = watch::Misses::new();
    loop {
        tokio::time::sleep(LOOK).await;
        watch::look(&agent.host, &agent.notes, &mut misses).await;
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
        // One that was told to end is not to come back.
        if matches!(row.stay, Stay::Ending(_))
            || host.leaving().has(&row.id)
            || landfall_shim::is_alive(&host.dir().instance(&row.id))
        {
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
