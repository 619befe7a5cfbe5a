//! The front doors of this host: whichever proxy serves a route, the agent speaks to it in the same few words.

mod own;

use std::net::SocketAddr;
use std::time::Duration;

use landfall_model::{Fault, Proxy, Route};
use landfall_proxy::{Hold, Meter, RouteConfig, RouteStatus, Sample};

use crate::host::LocalHost;
use crate::proxy_process::ProxyProcess;

/// One front door.
#[derive(Clone, Copy)]
pub(crate) enum Door<'a> {
    /// Landfall's own proxy.
    Own(&'a ProxyProcess),
}

/// What a door that is open says of itself.
pub(crate) struct Doorplate {
    /// The value of the header `x-landfall-probe` that makes an answer name its pool.
    pub(crate) token: String,
    /// Its routes.
    pub(crate) routes: Vec<RouteStatus>,
}

impl LocalHost {
    /// The door that a route is to be served by.
    pub(crate) fn door(&self, route: &Route) -> Door<'_> {
        match &route.proxy {
            Proxy::Landfall | Proxy::Caddy { .. } => Door::Own(self.proxy()),
        }
    }
}

impl Door<'_> {
    /// Whether it was ever told to serve anything, and so should be open.
    pub(crate) fn is_wanted(&self) -> bool {
        match self {
            Self::Own(proxy) => proxy.is_wanted(),
        }
    }

    /// Whether it is open.
    pub(crate) async fn is_running(&self) -> bool {
        match self {
            Self::Own(proxy) => proxy.is_running().await,
        }
    }

    /// Opens it unless it is open.
    pub(crate) async fn ensure(&self) -> Result<(), Fault> {
        match self {
            Self::Own(proxy) => proxy.ensure().await,
        }
    }

    /// What it says of itself; `None` while it is closed.
    pub(crate) async fn plate(&self) -> Result<Option<Doorplate>, Fault> {
        match self {
            Self::Own(proxy) => own::plate(proxy).await,
        }
    }

    /// Makes or replaces a route in one step, ends a hold of it and lets held requests through.
    pub(crate) async fn put(&self, route: &RouteConfig) -> Result<(), Fault> {
        match self {
            Self::Own(proxy) => own::put(proxy, route).await,
        }
    }

    /// Holds new requests of a route and waits, at most `wait`, for those under way; `None` without such a route.
    pub(crate) async fn hold(&self, id: &str, wait: Duration) -> Result<Option<Hold>, Fault> {
        match self {
            Self::Own(proxy) => own::hold(proxy, id, wait).await,
        }
    }

    /// Turns a route's requests away, or takes them again; whether there is such a route.
    pub(crate) async fn set_maintenance(&self, id: &str, on: bool) -> Result<bool, Fault> {
        match self {
            Self::Own(proxy) => own::set_maintenance(proxy, id, on).await,
        }
    }

    /// Holds a route's requests until a person lets them through; whether there is such a route.
    pub(crate) async fn set_paused(&self, id: &str, on: bool) -> Result<bool, Fault> {
        match self {
            Self::Own(proxy) => own::set_paused(proxy, id, on).await,
        }
    }

    /// Takes a route away; fine when there is none.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), Fault> {
        match self {
            Self::Own(proxy) => own::remove(proxy, id).await,
        }
    }

    /// Waits, at most `wait`, until nothing of a pool is under way; gives how much still is.
    pub(crate) async fn drained(&self, id: &str, label: &str, wait: Duration) -> Result<u64, Fault> {
        match self {
            Self::Own(proxy) => own::drained(proxy, id, label, wait).await,
        }
    }

    /// How much is under way to one backend, also one that the route no longer has.
    pub(crate) async fn busy(&self, id: &str, address: SocketAddr) -> Result<u64, Fault> {
        match self {
            Self::Own(proxy) => own::busy(proxy, id, address).await,
        }
    }

    /// What each pool of a route answered since it came; none without such a route.
    pub(crate) async fn samples(&self, id: &str) -> Result<Vec<Sample>, Fault> {
        match self {
            Self::Own(proxy) => own::samples(proxy, id).await,
        }
    }

    /// Starts counting a route's requests; fine when there is none yet.
    pub(crate) async fn start_meter(&self, id: &str) -> Result<(), Fault> {
        match self {
            Self::Own(proxy) => own::start_meter(proxy, id).await,
        }
    }

    /// A route's requests since then; `None` without such a route.
    pub(crate) async fn meter(&self, id: &str) -> Result<Option<Meter>, Fault> {
        match self {
            Self::Own(proxy) => own::meter(proxy, id).await,
        }
    }
}
