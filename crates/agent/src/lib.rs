//! The resident of a host: its API, its state, its runtimes. Performs transactions, whether or not anyone watches;
//! may be killed at any moment without a request failing.

mod agent;
mod api;
mod background;
mod detach;
mod disk;
mod doors;
mod engines;
mod events;
mod exclusive;
mod host;
mod housekeeping;
mod images;
mod lease;
mod leaving;
mod memory;
mod metrics;
mod observe;
mod proxy_process;
mod routes;
mod runtimes;
mod said;
mod secret_file;
mod secrets;
mod serve;
mod shares;
mod state;
mod transactions;

use std::path::PathBuf;

use landfall_fx::StateDir;
use landfall_model::Fault;

pub use api::openapi;

/// What an agent is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its state folder.
    pub state: StateDir,
    /// The landfall executable, for shims and the proxy.
    pub program: PathBuf,
}

/// Runs the agent until it is told to end (`POST /v1/shutdown`, SIGTERM). Instances and proxy go on.
///
/// # Errors
/// Another agent that holds the state folder, a state that cannot be opened or is newer, a socket that cannot be bound.
pub fn run(options: Options) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(serve::BLOCKING_THREADS)
        .thread_keep_alive(serve::IDLE_THREAD)
        .build()
        .map_err(|e| Fault::machine(format!("the agent's runtime does not start: {e}")))?;
    let ended = runtime.block_on(serve::serve(options, runtime.handle().clone()));
    // A thread that waits for a supervisor is no reason to stay.
    runtime.shutdown_background();
    ended
}
