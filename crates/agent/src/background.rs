//! What the agent does unasked, beside seeing old instances off: it sets new supervisors beside instances that lost theirs,
//! and starts the proxy again when it is gone.

use std::sync::Arc;
use std::time::Duration;

use landfall_model::{Fault, Runtime};
use tokio::task::JoinError;
use tokio::time::Instant;

use crate::agent::{Agent, Notes};
use crate::doors::watch;
use crate::exclusive::Exclusive;
use crate::host::LocalHost;
use crate::runtimes::Glance;
use crate::runtimes::docker::{move_in, output};
use crate::state::Stay;
use crate::{housekeeping, leaving, runtimes};

/// Between two looks at instances and proxy.
const LOOK: Duration = Duration::from_secs(1);

/// How the note begins that is taken back once the proxy runs.
const PROXY_NOTE: &str = "the proxy does not start";

/// How the note begins that is taken back once the proxy is of the agent's build.
const TAKEOVER_NOTE: &str = "the proxy is not replaced";

/// Between two tries to replace a proxy that does not hand over.
const TAKEOVER_AGAIN: Duration = Duration::from_secs(60);

/// Starts all of it on the agent's runtime.
pub(crate) fn start(agent: &Arc<Agent>) {
    tokio::spawn(leaving::see_off(Arc::clone(agent)));
    tokio::spawn(look_after(Arc::clone(agent), |runtime| runtime == Runtime::Process));
    // Apart, for an engine that hangs keeps nothing but its own from coming back.
    tokio::spawn(look_after(Arc::clone(agent), |runtime| runtime != Runtime::Process));
    tokio::spawn(move_in_once(Arc::clone(agent)));
    tokio::spawn(look_after_caddies(Arc::clone(agent)));
    tokio::spawn(watch_proxy(Arc::clone(agent)));
    tokio::spawn(output::follow_all(Arc::clone(agent)));
    tokio::spawn(housekeeping::collect(Arc::clone(agent)));
}

/// A panic on a thread of the agent as a fault: the background goes on.
pub(crate) fn flatten<T>(done: Result<Result<T, Fault>, JoinError>) -> Result<T, Fault> {
    done.unwrap_or_else(|error| Err(Fault::internal(format!("the agent failed inside: {error}"))))
}

async fn look_after(agent: Arc<Agent>, concerns: fn(Runtime) -> bool) {
    loop {
        tokio::time::sleep(LOOK).await;
        let (host, notes, exclusive) =
            (Arc::clone(&agent.host), Arc::clone(&agent.notes), agent.transactions.exclusive());
        let looked = tokio::task::spawn_blocking(move || supervise(&host, &notes, &exclusive, concerns));
        if let Err(fault) = flatten(looked.await) {
            agent.notes.add(fault.message);
        }
    }
}

/// Moves in what an earlier version left elsewhere; ends when nothing is left.
async fn move_in_once(agent: Arc<Agent>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let (host, exclusive) = (Arc::clone(&agent.host), agent.transactions.exclusive());
        let moved = tokio::task::spawn_blocking(move || move_in::all(&host, &exclusive));
        // An engine that is away is told of by those that look at instances.
        if flatten(moved.await).unwrap_or_default() {
            return;
        }
    }
}

async fn look_after_caddies(agent: Arc<Agent>) {
    let mut misses = watch::Misses::new();
    let mut drifted = 0;
    loop {
        tokio::time::sleep(LOOK).await;
        watch::look(&agent.host, &agent.notes, &mut misses, &mut drifted).await;
    }
}

/// Starts the proxy again the moment it is gone, and replaces one of another build.
async fn watch_proxy(agent: Arc<Agent>) {
    let proxy = agent.host.proxy();
    let mut not_before = Instant::now();
    loop {
        if !proxy.is_wanted() {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        if let Err(fault) = proxy.ensure().await {
            // The lines of its log differ each time.
            agent.notes.add(fault.message.lines().next().unwrap_or(PROXY_NOTE).to_owned());
            tokio::time::sleep(LOOK).await;
            continue;
        }
        agent.notes.settle(PROXY_NOTE);
        if Instant::now() >= not_before && is_of_another_build(&agent).await {
            not_before = Instant::now() + TAKEOVER_AGAIN;
            match proxy.take_over().await {
                Ok(()) => agent.notes.settle(TAKEOVER_NOTE),
                Err(fault) => {
                    agent.notes.add(fault.message.lines().next().unwrap_or(TAKEOVER_NOTE).to_owned());
                }
            }
        }
        tokio::select! {
            () = proxy.ended() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Whether the proxy that runs is of another build than the agent, and the agent's own is what would be started. Nothing
/// is replaced while a transaction is at work with it.
async fn is_of_another_build(agent: &Agent) -> bool {
    let Some(status) = agent.host.proxy().status().await else { return false };
    status.build != agent.build()
        && agent.transactions.running() == 0
        && landfall_fx::build_id(agent.host.program()).is_ok_and(|build| build == agent.build())
}

/// Starts each instance of these runtimes again that should run and does not.
fn supervise(
    host: &LocalHost,
    notes: &Notes,
    exclusive: &Arc<Exclusive>,
    concerns: fn(Runtime) -> bool,
) -> Result<(), Fault> {
    let glance = Glance::new(host);
    for row in host.state().instances()? {
        // One that was told to end is not to come back.
        if matches!(row.stay, Stay::Ending(_)) || host.leaving().has(&row.id) {
            continue;
        }
        let Some(known) = host.state().release(&row.app, &row.environment, &row.release)? else { continue };
        if !concerns(known.release.spec.runtime) {
            continue;
        }
        let is_alive =
            |glance: &Glance<'_>| runtimes::of(&known.release).is_alive(glance, &known.release, &row);
        if is_alive(&glance) {
            continue;
        }
        let beginning = format!("an instance of {} cannot be started", row.release);
        if let Some(fault) = glance.failed() {
            // Perhaps it runs; nobody who works there is kept waiting for an engine that hangs.
            notes.add(format!("{beginning}: {}", fault.message));
            continue;
        }
        // A transaction that is at work starts and stops instances itself.
        let Some(_guard) = exclusive.acquire(&(row.app.clone(), row.environment.clone()), Duration::ZERO)
        else {
            continue;
        };
        // Whoever was at work may have seen to it since the look.
        let still = host.state().instances()?.contains(&row);
        if still && !is_alive(&Glance::new(host)) {
            match host.revive(&known.release, &row) {
                Ok(()) => notes.settle(&beginning),
                Err(fault) => notes.add(format!("{beginning}: {}", fault.message)),
            }
        }
    }
    Ok(())
}
