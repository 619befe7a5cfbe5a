//! Asks applications whether there may be a certificate for a host, through one of their healthy instances.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper::header::{HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use landfall_model::Protocol;
use landfall_tls::{Approval, Approver};
use tokio::net::TcpStream;

use crate::state::pool::Backends;

/// Where an application runs.
pub(crate) struct Application {
    /// The pools that have a weight, the current one last.
    pub(crate) pools: Vec<Arc<Backends>>,
    pub(crate) protocol: Protocol,
}

/// The applications that may be asked, by route. Replaced as a whole when routes change.
#[derive(Default)]
pub(crate) struct Applications {
    routes: ArcSwap<HashMap<String, Application>>,
}

impl Applications {
    pub(crate) fn replace(&self, routes: HashMap<String, Application>) {
        self.routes.store(Arc::new(routes));
    }

    /// A healthy instance of the current pool.
    fn instance(&self, route: &str) -> Result<SocketAddr, String> {
        let routes = self.routes.load();
        let application = routes.get(route).ok_or("its route is gone")?;
        if application.protocol == Protocol::H2c {
            return Err("its instances speak HTTP/2 alone, and HTTP/1.1 is what they are asked in".to_owned());
        }
        let current = application.pools.last().map(|pool| pool.instances()).unwrap_or_default();
        let healthy = current.iter().find(|backend| backend.healthy()).or(current.first());
        healthy.map(|backend| backend.address).ok_or_else(|| "it has no instances".to_owned())
    }
}

impl Approver for Applications {
    fn approve(&self, route: &str, path: &str, host: &str) -> Approval {
        let instance = self.instance(route);
        // A host that was read from a handshake has only letters, digits, hyphens, underscores and dots.
        let target = format!("{path}?domain={host}");
        Box::pin(async move { ask(instance?, &target).await.map_err(|error| error.to_string()) })
    }
}

async fn ask(instance: SocketAddr, target: &str) -> Result<bool, Box<dyn std::error::Error>> {
    let socket = TcpStream::connect(instance).await?;
    let request = Request::get(target)
        .header(HOST, instance.to_string())
        .header(USER_AGENT, "landfall-certificates")
        .body(Empty::<Bytes>::new())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await;
    connection.abort();
    Ok(answer?.status() == 200)
}
