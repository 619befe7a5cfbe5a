//! The agent's parts, as its API's handlers see them.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use landfall_fx::Clock as _;
use landfall_fx::SystemClock;
use landfall_model::api::{API_VERSION, Info};
use landfall_model::{Fault, Timestamp};
use tokio::sync::Notify;

use crate::host::LocalHost;
use crate::state::SCHEMA_VERSION;
use crate::transactions::Transactions;

/// Notes kept for people; older ones are dropped.
const NOTES_KEPT: usize = 50;

/// All of the agent.
pub(crate) struct Agent {
    pub(crate) host: Arc<LocalHost>,
    pub(crate) transactions: Arc<Transactions>,
    pub(crate) notes: Arc<Notes>,
    /// Told when the agent is to end.
    pub(crate) ending: Notify,
    started: Timestamp,
    build: String,
}

/// What a person should know of the agent as a whole.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<Vec<String>>);

impl Notes {
    /// Adds one, unless it is known already; it also goes to the agent's log.
    pub(crate) fn add(&self, note: String) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.contains(&note) {
            return;
        }
        // A log on a full disk takes nothing; that ends nobody.
        let _ = writeln!(std::io::stderr(), "{} {note}", SystemClock::new().now());
        if notes.len() == NOTES_KEPT {
            notes.remove(0);
        }
        notes.push(note);
    }

    /// Takes back those that begin like this: what they say is no longer so.
    pub(crate) fn settle(&self, beginning: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|note| !note.starts_with(beginning));
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Agent {
    pub(crate) fn new(
        host: Arc<LocalHost>,
        transactions: Arc<Transactions>,
        notes: Arc<Notes>,
    ) -> Result<Arc<Self>, Fault> {
        let build = landfall_fx::build_id(host.program())
            .map_err(|e| Fault::machine(format!("{} cannot be looked at: {e}", host.program().display())))?;
        let started = host.clock().now();
        Ok(Arc::new(Self { host, transactions, notes, ending: Notify::new(), started, build }))
    }

    /// The build of the agent's program, as it was when the agent was started.
    pub(crate) fn build(&self) -> &str {
        &self.build
    }

    /// What the agent says of itself.
    pub(crate) async fn info(&self) -> Info {
        let proxy = self.host.proxy().status().await;
        Info {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build: self.build.clone(),
            api: API_VERSION,
            schema: SCHEMA_VERSION,
            pid: std::process::id(),
            started: self.started,
            host: self.host.host_name().to_owned(),
            state: self.host.dir().root().display().to_string(),
            engine: self.host.engine_name().map(str::to_owned),
            proxy_pid: proxy.as_ref().map(|status| status.pid),
            proxy_build: proxy.as_ref().map(|status| status.build.clone()),
            memory: landfall_shim::evidence::memory(&[std::process::id()]),
            proxy_memory: proxy.and_then(|status| landfall_shim::evidence::memory(&[status.pid])),
            running: self.transactions.running(),
            notes: self.notes.all(),
        }
    }
}
