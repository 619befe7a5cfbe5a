//! The front doors of this host: whichever proxy serves a route, the agent speaks to it in the same few words.

pub(crate) mod caddies;
mod caddy;
mod caddy_process;
mod hand_over;
mod own;
pub(crate) mod watch;

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use landfall_fx::host::Task;
use landfall_model::{Fault, FaultKind, Proxy, Route};
use landfall_proxy::{Hold, Meter, RouteConfig, RouteStatus, Sample};
use tokio::time::timeout;

use caddy::CaddyDoor;

use crate::host::LocalHost;
use crate::proxy_process::ProxyProcess;

/// Between two looks whether a person asked to stop.
const LOOK: Duration = Duration::from_millis(100);

/// Does something that may take long, unless a person asks to stop.
pub(crate) async fn unless_stopped<T>(
    task: &dyn Task,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let mut work = pin!(work);
    loop {
        match timeout(LOOK, work.as_mut()).await {
            Ok(done) => return done,
            Err(_) if task.cancelled() => {
                let fault = Fault::application("waiting for what is under way was interrupted");
                return Err(fault.kind(FaultKind::Interrupted));
            }
            Err(_) => {}
        }
    }
}

/// One front door.
#[derive(Clone)]
pub(crate) enum Door<'a> {
    /// Landfall's own proxy.
    Own(&'a ProxyProcess),
    /// A Caddy.
    Caddy(CaddyDoor<'a>),
}

/// What a door that is open says of itself.
pub(crate) struct Doorplate {
    /// The value of the header `x-landfall-probe` that makes an answer name its pool.
    pub(crate) token: String,
    /// Its routes.
    pub(crate) routes: Vec<RouteStatus>,
    /// Whether it was changed by hand.
    pub(crate) drifted: bool,
}

impl LocalHost {
    /// The door that a route is to be served by.
    pub(crate) fn door(&self, route: &Route) -> Door<'_> {
        match &route.proxy {
            Proxy::Landfall => Door::Own(self.proxy()),
            Proxy::Caddy { admin } => self.caddy_door(admin.clone()),
        }
    }

    fn caddy_door(&self, admin: Option<String>) -> Door<'_> {
        Door::Caddy(CaddyDoor { caddies: self.caddies(), room: self.proxy(), admin })
    }
}

impl Door<'_> {
    /// Whether both are the same proxy.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Own(_), Self::Own(_)) => true,
            (Self::Caddy(one), Self::Caddy(other)) => one.admin == other.admin,
            (Self::Own(_), Self::Caddy(_)) | (Self::Caddy(_), Self::Own(_)) => false,
        }
    }

    /// What it is, for people.
    fn name(&self) -> &'static str {
        match self {
            Self::Own(_) => "Landfall's own proxy",
            Self::Caddy(_) => "Caddy",
        }
    }

    /// Whether it listens on an address that another process of this user listens on, and shares it (`SO_REUSEPORT`).
    /// Landfall's own proxy refuses to, so that a mistake is not hidden.
    fn opens_beside(&self) -> bool {
        matches!(self, Self::Caddy(_))
    }

    /// Whether it was ever told to serve anything, and so should be open.
    pub(crate) fn is_wanted(&self) -> bool {
        match self {
            Self::Own(proxy) => proxy.is_wanted(),
            Self::Caddy(door) => door.is_wanted(),
        }
    }

    /// Whether it is open.
    pub(crate) async fn is_running(&self) -> bool {
        match self {
            Self::Own(proxy) => proxy.is_running().await,
            Self::Caddy(door) => door.is_running().await,
        }
    }

    /// Opens it unless it is open.
    pub(crate) async fn ensure(&self) -> Result<(), Fault> {
        match self {
            Self::Own(proxy) => proxy.ensure().await,
            Self::Caddy(door) => door.ensure().await,
        }
    }

    /// What it says of itself; `None` while it is closed.
    pub(crate) async fn plate(&self) -> Result<Option<Doorplate>, Fault> {
        match self {
            Self::Own(proxy) => own::plate(proxy).await,
            Self::Caddy(door) => door.plate().await,
        }
    }

    /// Makes or replaces a route in one step, ends a hold of it and lets held requests through.
    pub(crate) async fn put(&self, route: &RouteConfig) -> Result<(), Fault> {
        match self {
            Self::Own(proxy) => own::put(proxy, route).await,
            Self::Caddy(door) => door.put(route).await,
        }
    }

    /// Waits, at most `wait`, until no stream of a route is open, while requests go on; then holds new ones and waits, at
    /// most `wait` again, for those under way. Until it holds, a person may stop `task`. `None` without such a route.
    pub(crate) async fn hold(
        &self,
        id: &str,
        wait: Duration,
        task: &dyn Task,
    ) -> Result<Option<Hold>, Fault> {
        match self {
            Self::Own(proxy) => own::hold(proxy, id, wait, task).await,
            Self::Caddy(door) => door.hold(id, wait, task).await,
        }
    }

    /// Turns a route's requests away, or takes them again; whether there is such a route.
    pub(crate) async fn set_maintenance(&self, id: &str, on: bool) -> Result<bool, Fault> {
        match self {
            Self::Own(proxy) => own::set_maintenance(proxy, id, on).await,
            Self::Caddy(door) => door.set_maintenance(id, on),
        }
    }

    /// Holds a route's requests until a person lets them through; whether there is such a route.
    pub(crate) async fn set_paused(&self, id: &str, on: bool) -> Result<bool, Fault> {
        match self {
            Self::Own(proxy) => own::set_paused(proxy, id, on).await,
            Self::Caddy(door) => door.set_paused(id, on).await,
        }
    }

    /// Takes a route away; fine when there is none.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), Fault> {
        match self {
            Self::Own(proxy) => own::remove(proxy, id).await,
            Self::Caddy(door) => door.remove(id).await,
        }
    }

    /// Waits, at most `wait`, until nothing of a pool is under way; gives how much still is.
    pub(crate) async fn drained(&self, id: &str, label: &str, wait: Duration) -> Result<u64, Fault> {
        match self {
            Self::Own(proxy) => own::drained(proxy, id, label, wait).await,
            Self::Caddy(door) => door.drained(id, label, wait).await,
        }
    }

    /// How much is under way to one backend, also one that the route no longer has.
    pub(crate) async fn busy(&self, id: &str, address: SocketAddr) -> Result<u64, Fault> {
        match self {
            Self::Own(proxy) => own::busy(proxy, id, address).await,
            Self::Caddy(door) => door.busy(id, address).await,
        }
    }

    /// What each pool of a route answered since it came; none without such a route.
    pub(crate) async fn samples(&self, id: &str) -> Result<Vec<Sample>, Fault> {
        match self {
            Self::Own(proxy) => own::samples(proxy, id).await,
            Self::Caddy(door) => door.samples(id).await,
        }
    }

    /// Starts counting a route's requests; fine when there is none yet.
    pub(crate) async fn start_meter(&self, id: &str) -> Result<(), Fault> {
        match self {
            Self::Own(proxy) => own::start_meter(proxy, id).await,
            Self::Caddy(door) => door.start_meter(id).await,
        }
    }

    /// A route's requests since then; `None` without such a route.
    pub(crate) async fn meter(&self, id: &str) -> Result<Option<Meter>, Fault> {
        match self {
            Self::Own(proxy) => own::meter(proxy, id).await,
            Self::Caddy(door) => door.meter(id).await,
        }
    }
}
