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
use crate::secrets;
use crate::state::TransactionRow;
use crate::transactions::{Recovery, Transactions, interrupted};

/// Threads for what blocks; more calls than these wait.
pub(crate) const BLOCKING_THREADS: usize = 16;

/// After this long an idle thread ends, so that an idle agent is small.
pub(crate) const IDLE_THREAD: Duration = Duration::from_secs(2);

/// Runs until told to end.
pub(crate) async fn serve(options: Options, runtime: Handle) -> Result<(), Fault> {
    let _lock = lock(&options.state)?;
    let host = LocalHost::open(options.state, options.program, runtime)?;
    let notes = std::sync::Arc::new(Notes::default());
    if let Err(fault) = host.state().release_all_leases() {
        // They expire by themselves. A state that cannot be written can still be shown.
        notes.add(fault.message);
    }
    let listener = listen(host.dir())?;
    let transactions = Transactions::new(host.clone(), notes.clone());
    let agent = Agent::new(host, transactions, notes)?;
    let left = tell_interrupted(&agent)?;
    if let Err(fault) = secrets::forget_all_unused(&agent.host) {
        agent.notes.add(fault.message);
    }
    clean_scratch(agent.host.dir());
    background::start(&agent);
    judge_on(&agent, &left);
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
    ending.transactions.halt();
    // Whoever connects next starts a new agent; a socket left behind would refuse it for a moment.
    let _ = std::fs::remove_file(socket);
    served
}

/// Takes the state folder for this process; the lock ends with it, however it ends.
fn lock(state: &StateDir) -> Result<File, Fault> {
    let path = state.agent_lock();
    let unusable = |e: &std::io::Error| {
        Fault::machine(format!("{} cannot be used: {e}", path.display()))
            .kind(FaultKind::Refused)
            .help("look at the permissions of the state folder and at the free space; nothing was changed")
    };
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

/// Says which transactions an earlier agent left behind, and gives those that cannot be left: a new release has a share
/// of the requests, and nobody judges it. One whose journal has its end, only not yet the state, is ended there as well.
fn tell_interrupted(agent: &Agent) -> Result<Vec<TransactionRow>, Fault> {
    let state = agent.host.state();
    let mut judged = Vec::new();
    for row in state.open_transactions()? {
        let path = agent.host.dir().journal(&row.app, &row.environment, row.number);
        let journal = landfall_engine::read(agent.host.files(), &path);
        if let Ok(Some(ended)) =
            journal.as_ref().map(|journal| journal.as_ref().and_then(|it| it.ended.clone()))
        {
            let why = ended.fault.as_ref().map(|fault| fault.message.as_str());
            let now = agent.host.clock().now();
            if state.end(&row, now, ended.outcome, why, &ended.receipts).is_ok() {
                continue;
            }
        }
        if matches!(&journal, Ok(Some(journal)) if journal.is_judging()) {
            judged.push(row);
            continue;
        }
        let beginning = interrupted(&row.app, &row.environment, row.number);
        match agent.host.open_transaction(&row.app, &row.environment, false) {
            Ok(Some(open)) => agent.notes.add(format!(
                "{beginning}was interrupted at {} ({} of {} steps done); `landfall resume` finishes it, \
                 `landfall undo` takes it back",
                open.doing, open.done, open.steps
            )),
            Ok(None) => {}
            Err(fault) => agent.notes.add(format!("{beginning}is open: {}", fault.message)),
        }
    }
    Ok(judged)
}

/// Goes on with canaries that an earlier agent was judging.
fn judge_on(agent: &Agent, left: &[TransactionRow]) {
    for row in left {
        let beginning = interrupted(&row.app, &row.environment, row.number);
        match agent.transactions.recover(&row.app, &row.environment, row.number, Recovery::Resume) {
            Ok(_) => agent.notes.add(format!(
                "{beginning}was interrupted in the middle of a canary, and goes on by itself: somebody has to judge it"
            )),
            Err(fault) => agent.notes.add(format!(
                "{beginning}was interrupted in the middle of a canary and cannot go on: {}; `landfall resume` or \
                 `landfall abort` is needed",
                fault.message
            )),
        }
    }
}

/// Throws away the copies that an earlier agent could not: at once out of the way, and removed beside everything else.
fn clean_scratch(state: &StateDir) {
    let entries = std::fs::read_dir(state.scratch()).into_iter().flatten().flatten();
    let now = std::process::id();
    let old = entries.enumerate().filter_map(|(number, entry)| {
        let aside = state.scratch().join(format!(".{now}-{number}"));
        std::fs::rename(entry.path(), &aside).is_ok().then_some(aside)
    });
    let old: Vec<_> = old.collect();
    if !old.is_empty() {
        // What cannot be removed now is in nobody's way; the next start tries again.
        std::thread::spawn(move || old.iter().for_each(|folder| drop(std::fs::remove_dir_all(folder))));
    }
}
