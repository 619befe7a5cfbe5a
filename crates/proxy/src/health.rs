//! Looks after backends: asks the healthy ones now and then, those that are down all the time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper::header::{HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use landfall_model::Protocol;
use rustix::io::Errno;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::HealthCheck;
use crate::limits::{CONNECT_TIMEOUT, RECHECK, UNHEALTHY_AFTER};
use crate::state::pool::BackendState;
use crate::state::route::Route;

/// What one check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    Healthy,
    /// It answered wrongly or late.
    Unwell,
    /// It takes no connections.
    Refused,
    /// This machine is short of something, descriptors most likely: nobody knows.
    Unknown,
}

/// Watches one backend until the task is aborted.
pub(crate) async fn watch(
    backend: Arc<BackendState>,
    check: Option<HealthCheck>,
    protocol: Protocol,
    route: Arc<Route>,
) {
    let mut unwell = 0;
    loop {
        let pause = match (&check, backend.healthy()) {
            (Some(check), true) => Some(check.interval()),
            (Some(check), false) => Some(check.interval().min(RECHECK)),
            (None, true) => None,
            (None, false) => Some(RECHECK),
        };
        match pause {
            Some(pause) => {
                // A worker that finds it down wakes this; what is down is looked at soon enough anyway.
                let _ = timeout(pause, backend.looked_at.notified()).await;
                if !backend.healthy() {
                    sleep(pause.min(RECHECK)).await;
                }
            }
            None => backend.looked_at.notified().await,
        }
        let finding = find(backend.address, check.as_ref(), protocol).await;
        if finding == Finding::Unknown {
            continue;
        }
        backend.checked(finding == Finding::Healthy);
        unwell = if finding == Finding::Unwell { unwell + 1 } else { 0 };
        let changed = match finding {
            Finding::Healthy => backend.set_healthy(true),
            Finding::Refused => backend.set_healthy(false),
            Finding::Unwell => unwell >= UNHEALTHY_AFTER && backend.set_healthy(false),
            Finding::Unknown => false,
        };
        if changed {
            route.refresh_health();
        }
    }
}

async fn find(address: SocketAddr, check: Option<&HealthCheck>, protocol: Protocol) -> Finding {
    let limit = check.map_or(CONNECT_TIMEOUT, HealthCheck::timeout);
    timeout(limit, ask(address, check, protocol)).await.unwrap_or(Finding::Unwell)
}

async fn ask(address: SocketAddr, check: Option<&HealthCheck>, protocol: Protocol) -> Finding {
    let socket = match TcpStream::connect(address).await {
        Ok(socket) => socket,
        Err(error) if is_short(&error) => return Finding::Unknown,
        Err(_) => return Finding::Refused,
    };
    let Some((check, path)) = check.and_then(|check| Some((check, check.path.as_ref()?))) else {
        return Finding::Healthy;
    };
    let status = match protocol {
        Protocol::Http1 => ask_http1(socket, address, path).await,
        Protocol::H2c => ask_http2(socket, address, path).await,
    };
    match status {
        Some(status) if (check.status.0..=check.status.1).contains(&status) => Finding::Healthy,
        _ => Finding::Unwell,
    }
}

/// Whether an error of `connect` says nothing of the other side: the process or the machine has no more descriptors, local
/// ports or memory (`connect(2)`, `socket(2)`).
fn is_short(error: &io::Error) -> bool {
    let short = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL, Errno::AGAIN];
    Errno::from_io_error(error).is_some_and(|error| short.contains(&error))
}

/// The status of the answer.
async fn ask_http1(socket: TcpStream, address: SocketAddr, path: &str) -> Option<u16> {
    let request = Request::get(path).header(HOST, address.to_string()).header(USER_AGENT, AGENT);
    let request = request.body(Empty::<Bytes>::new()).ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.ok()?;
    let _ended = Ended(tokio::task::spawn(connection).abort_handle());
    Some(sender.send_request(request).await.ok()?.status().as_u16())
}

/// The status of the answer.
async fn ask_http2(socket: TcpStream, address: SocketAddr, path: &str) -> Option<u16> {
    let request = Request::get(format!("http://{address}{path}")).header(USER_AGENT, AGENT).body(()).ok()?;
    let (sender, connection) = h2::client::handshake(socket).await.ok()?;
    let _ended = Ended(tokio::task::spawn(connection).abort_handle());
    let (answer, _) = sender.ready().await.ok()?.send_request(request, true).ok()?;
    Some(answer.await.ok()?.status().as_u16())
}

/// How a check names itself.
const AGENT: &str = "landfall-health";

/// Ends a check's connection with the check, also when that is given up.
struct Ended(tokio::task::AbortHandle);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_other_side_does_says_something_of_it() {
        let short = |errno: Errno| is_short(&errno.into());
        assert!([Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS].into_iter().all(short));
        assert!(![Errno::CONNREFUSED, Errno::HOSTUNREACH, Errno::ACCESS].into_iter().any(short));
    }
}
