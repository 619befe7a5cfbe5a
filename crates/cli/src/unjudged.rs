//! Starts the agent again when releases share a route's requests and it is gone: the proxy outlives an agent that was
//! killed, and a release on trial must not go on without its judge until somebody happens to give a command.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use landfall_fx::{Clock as _, StateDir, SystemClock};
use landfall_proxy::{Client, Status};
use landfall_targets::host::Agent;

use crate::failure::Failure;
use crate::session::block_on;

/// Between two looks whether the agent is there. Gone is who was gone twice: one may just be replaced.
const LOOK: Duration = Duration::from_secs(2);

/// Looks after it in a thread of its own, for as long as this process, the proxy, lives. The agent that it starts is the
/// program `program`.
pub(crate) fn watch(state: StateDir, program: PathBuf) {
    let looking = move || {
        let clock = SystemClock::new();
        let mut gone = false;
        loop {
            clock.sleep(LOOK);
            let gone_before =
                std::mem::replace(&mut gone, UnixStream::connect(state.agent_socket()).is_err());
            if gone
                && gone_before
                && let Err(failure) = start_if_unjudged(&state, &program)
            {
                eprintln!(
                    "the agent is gone while releases share requests, and cannot be started: {failure:?}"
                );
            }
        }
    };
    // Where no thread is to be had there are other worries.
    let _ = thread::Builder::new().name("unjudged".to_owned()).spawn(looking);
}

fn start_if_unjudged(state: &StateDir, program: &Path) -> Result<(), Failure> {
    block_on(async {
        let shared = Client::new(state.proxy_socket()).status().await.is_ok_and(|status| is_shared(&status));
        if shared {
            Agent::connect_or_start(state, program).await?;
        }
        Ok(())
    })
}

/// Whether two releases get the requests of one route.
fn is_shared(status: &Status) -> bool {
    let shares = |pools: &[landfall_proxy::Share]| pools.iter().filter(|share| share.weight > 0).count();
    status.routes.iter().any(|route| shares(&route.config.pools) > 1)
}
