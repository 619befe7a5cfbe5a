//! Landfall's own proxy as a front door: its control calls, its refusals as faults.

use std::net::SocketAddr;
use std::time::Duration;

use landfall_fx::host::Task;
use landfall_model::Fault;
use landfall_proxy::{ClientError, Hold, Meter, OpenStreams, RouteConfig, Sample};
use tokio::time::Instant;

use super::{Doorplate, unless_stopped};
use crate::proxy_process::ProxyProcess;

/// How long a proxy is asked to wait for streams at once: one that takes over meanwhile is asked anew.
const SLICE: Duration = Duration::from_secs(10);

/// What to do about an address that somebody else listens on.
const ANOTHER_ADDRESS: &str = "end that process, or take another address: `listen = \"127.0.0.1:8081\"` in the environment's \
                               table, and for HTTPS `tls = { listen = \"127.0.0.1:8444\" }`";

fn fault(error: &ClientError) -> Fault {
    match error {
        ClientError::AddressInUse { message } => Fault::machine(message.clone()).help(ANOTHER_ADDRESS),
        ClientError::Refused { status: 409, message } => Fault::machine(message.clone()),
        error => Fault::machine(format!("the proxy does not do what it is asked: {error}"))
            .help("`landfall agent status` says whether it runs; its log is proxy.log in the state folder"),
    }
}

/// `None` for what the proxy does not know.
fn known<T>(answer: Result<T, ClientError>) -> Result<Option<T>, Fault> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(ClientError::Refused { status: 404, .. }) => Ok(None),
        Err(error) => Err(fault(&error)),
    }
}

pub(super) async fn plate(proxy: &ProxyProcess) -> Result<Option<Doorplate>, Fault> {
    match proxy.client().status().await {
        Ok(status) => Ok(Some(Doorplate { token: status.token, routes: status.routes, drifted: false })),
        Err(ClientError::Unreachable { .. }) => Ok(None),
        Err(error) => Err(fault(&error)),
    }
}

pub(super) async fn put(proxy: &ProxyProcess, route: &RouteConfig) -> Result<(), Fault> {
    proxy.client().put_route(route).await.map_err(|error| fault(&error))
}

/// Holds a route once none of its streams is open, or `wait` is over; then waits as long again for the requests that are
/// under way. While it waits for streams requests go on.
pub(super) async fn hold(
    proxy: &ProxyProcess,
    id: &str,
    wait: Duration,
    task: &dyn Task,
) -> Result<Option<Hold>, Fault> {
    let deadline = Instant::now() + wait;
    loop {
        if unless_stopped(task, streams(proxy, id, deadline)).await?.is_none() {
            return Ok(None);
        }
        let hold = hold_now(proxy, id, wait).await?;
        let early = Instant::now() < deadline;
        if !hold.is_some_and(|hold| hold.streams > 0 && early) {
            return Ok(hold);
        }
        // A request became a stream after the last look: it has its time too.
        known(proxy.client().release(id).await)?;
    }
}

/// Holds a route, and waits for the requests that are under way.
pub(super) async fn hold_now(proxy: &ProxyProcess, id: &str, wait: Duration) -> Result<Option<Hold>, Fault> {
    known(proxy.client().hold(id, wait).await)
}

/// Waits until no stream of a route is open, until `deadline` at most; gives how many are. Comes back at once while the
/// route holds.
pub(super) async fn streams(proxy: &ProxyProcess, id: &str, deadline: Instant) -> Result<Option<u64>, Fault> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match proxy.client().streams(id, left.min(SLICE)).await {
            Ok(OpenStreams { open, holding }) if open > 0 && !holding && left > SLICE => {}
            // A proxy that was killed took its streams with it; another one has its routes when it answers.
            Err(ClientError::Unreachable { .. }) if !left.is_zero() => proxy.ensure().await?,
            answer => return Ok(known(answer)?.map(|streams| streams.open)),
        }
    }
}

pub(super) async fn set_maintenance(proxy: &ProxyProcess, id: &str, on: bool) -> Result<bool, Fault> {
    Ok(known(proxy.client().set_maintenance(id, on).await)?.is_some())
}

pub(super) async fn set_paused(proxy: &ProxyProcess, id: &str, on: bool) -> Result<bool, Fault> {
    let client = proxy.client();
    let done = if on { client.pause(id).await } else { client.unpause(id).await };
    Ok(known(done)?.is_some())
}

pub(super) async fn remove(proxy: &ProxyProcess, id: &str) -> Result<(), Fault> {
    proxy.client().remove_route(id).await.map_err(|error| fault(&error))
}

pub(super) async fn drained(
    proxy: &ProxyProcess,
    id: &str,
    label: &str,
    wait: Duration,
) -> Result<u64, Fault> {
    // A route that is gone has nothing under way.
    Ok(known(proxy.client().drained(id, label, wait).await)?.unwrap_or(0))
}

pub(super) async fn busy(proxy: &ProxyProcess, id: &str, address: SocketAddr) -> Result<u64, Fault> {
    // A route that is gone has nothing under way.
    Ok(known(proxy.client().busy(id, address).await)?.unwrap_or(0))
}

pub(super) async fn samples(proxy: &ProxyProcess, id: &str) -> Result<Vec<Sample>, Fault> {
    Ok(known(proxy.client().samples(id).await)?.unwrap_or_default())
}

pub(super) async fn start_meter(proxy: &ProxyProcess, id: &str) -> Result<(), Fault> {
    // A route that does not exist yet is counted from its first request on.
    known(proxy.client().start_meter(id).await).map(|_| ())
}

pub(super) async fn meter(proxy: &ProxyProcess, id: &str) -> Result<Option<Meter>, Fault> {
    known(proxy.client().meter(id).await)
}
