//! The agent's life: it locks its state, opens it, listens, and ends.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::time::Duration;

use landfall_fx::StateDir;
use landfall_model::{Fault, FaultKind};
use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

use crate::Options;
use crate::agent::{Agent, Notes};
use crate::api::router;
use crate::background;
use crate::host::LocalHost;
use crate::transactions::Transactions;

/// Threads for what blocks; more calls than these wait.
pub(crate) const BLOCKING_THREADS: usize = 16;

/// After this long an idle thread ends, so that an idle agent is small.
pub(crate) const IDLE_THREAD: Duration = Duration::from_secs(2);

/// Runs until told to end.
pub(crate) async fn serve(options: Options, runtime: Handle) -> Result<(), Fault> {
    let _lock = lock(&options.state)?;
    let host = LocalHost::open(options.state, options.program, runtime)?;
    host.state().release_all_leases()?;
    let listener = listen(host.dir())?;
    let transactions = Transactions::new(host.clone());
    let notes = std::sync::Arc::new(Notes::default());
    let agent = Agent::new(host, transactions, notes)?;
    tell_interrupted(&agent)?;
    clean_scratch(agent.host.dir());
    background::start(&agent);
    let ends = |error: std::io::Error| Fault::machine(format!("the agent cannot go on: {error}"));
    let mut terminated = signal(SignalKind::terminate()).map_err(ends)?;
    let _ignored = signal(SignalKind::hangup()).map_err(ends)?;
    let socket = agent.host.dir().agent_socket();
    let ending = agent.clone();
    let served = tokio::select! {
        served = axum::serve(listener, router(agent.clone())) => served.map_err(ends),
        () = ending.ending.notified() => Ok(()),
        _ = terminated.recv() => Ok(()),
    };
    // Whoever connects next starts a new agent; a socket left behind would refuse it for a moment.
    let _ = std::fs::remove_file(socket);
    served
}

/// Takes the state folder for this process; the lock ends with it, however it ends.
fn lock(state: &StateDir) -> Result<File, Fault> {
    let path = state.agent_lock();
    let unusable = |e: &std::io::Error| Fault::machine(format!("{} cannot be used: {e}", path.display()));
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|e| unusable(&e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(Fault::refused("another agent works on this state folder").kind(FaultKind::Refused));
        }
        Err(TryLockError::Error(error)) => return Err(unusable(&error)),
    }
    let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(|e| unusable(&e))?;
    Ok(file)
}

/// Listens on the socket, which only the owner can open. The lock is held: what lies there is left over.
fn listen(state: &StateDir) -> Result<UnixListener, Fault> {
    let path = state.agent_socket();
    let unusable =
        |e: std::io::Error| Fault::machine(format!("the socket {} cannot be used: {e}", path.display()));
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unusable(error)),
        Ok(()) | Err(_) => {}
    }
    // The folder has mode 0700, so that nobody can connect before the socket's own mode is set.
    let listener = UnixListener::bind(&path).map_err(unusable)?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(unusable)?;
    Ok(listener)
}

/// Says which transactions an earlier agent left behind.
fn tell_interrupted(agent: &Agent) -> Result<(), Fault> {
    for row in agent.host.state().open_transactions()? {
        match agent.host.open_transaction(&row.app, &row.environment, false) {
            Ok(Some(open)) => agent.notes.add(format!(
                "{} → {}: transaction {} was interrupted at {} ({} of {} steps done); `landfall resume` finishes it, \
                 `landfall undo` takes it back",
                row.app, row.environment, row.number, open.doing, open.done, open.steps
            )),
            Ok(None) => {}
            Err(fault) => agent.notes.add(format!("{} → {}: {}", row.app, row.environment, fault.message)),
        }
    }
    Ok(())
}

/// Throwaway copies that an earlier agent could not throw away.
fn clean_scratch(state: &StateDir) {
    // What cannot be removed now is in nobody's way; the next start tries again.
    let _ = std::fs::remove_dir_all(state.scratch());
}
