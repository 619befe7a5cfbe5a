//! A Caddy as a front door. It cannot let requests wait: while a route is held, they go to Landfall's own proxy, which
//! can, and which sends them on to whoever answers next. Everything else is between clients, Caddy and instances.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use landfall_caddy::{Address, Backend, Caddy, Http, PoolView, Route, RouteView, Share};
use landfall_fx::host::Task;
use landfall_model::Fault;
use landfall_proxy::{
    Backend as OwnBackend, BackendStatus, Hold, HttpOptions, Meter, PoolStatus, RouteConfig, RouteStatus,
    Sample,
};
use tokio::time::Instant;

use super::caddies::Caddies;
use super::{Doorplate, caddy_process, own, unless_stopped};
use crate::proxy_process::ProxyProcess;
use crate::runtimes::process::ports;

/// How long requests that waited may be on their way before the waiting room is left open for them.
const WAITED: Duration = Duration::from_secs(2);

/// A Caddy, and the proxy that lets its requests wait.
#[derive(Clone)]
pub(crate) struct CaddyDoor<'a> {
    pub(super) caddies: &'a Caddies,
    pub(super) room: &'a ProxyProcess,
    pub(super) admin: Option<String>,
}

/// The name of the route in Landfall's own proxy behind which requests of a route wait.
pub(super) fn room_of(id: &str) -> String {
    format!("waiting:{id}")
}

impl CaddyDoor<'_> {
    fn caddy(&self) -> Result<Arc<Caddy>, Fault> {
        self.caddies.get(self.admin.as_deref())
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.caddy().is_ok_and(|caddy| caddy.folder().is_used())
    }

    pub(super) async fn is_running(&self) -> bool {
        match self.caddy() {
            Ok(caddy) => caddy.admin().is_answering().await,
            Err(_) => false,
        }
    }

    pub(super) async fn ensure(&self) -> Result<(), Fault> {
        let caddy = self.caddy()?;
        match caddy.admin().address() {
            Address::Unix(_) => caddy_process::ensure(self.caddies, &caddy).await,
            Address::Tcp(admin) => {
                let folder = caddy.folder().root();
                let made = std::fs::create_dir_all(folder)
                    .and_then(|()| std::fs::write(folder.join("admin"), admin.as_bytes()));
                made.map_err(|e| Fault::machine(format!("{} cannot be used: {e}", folder.display())))?;
                // The call that follows says what is wrong when nobody answers.
                Ok(())
            }
        }
    }

    pub(super) async fn plate(&self) -> Result<Option<Doorplate>, Fault> {
        if !self.is_running().await {
            return Ok(None);
        }
        let view = self.caddy()?.view().await?;
        let rooms = own::plate(self.room).await?.map(|plate| plate.routes).unwrap_or_default();
        let routes = view.routes.into_iter().filter_map(|route| {
            let room = room_of(&route.route.id);
            let held_now =
                rooms.iter().find(|known| known.config.id == room).map_or(0, |known| known.held_now);
            self.status(route, held_now)
        });
        Ok(Some(Doorplate { token: view.token, routes: routes.collect(), drifted: view.drifted }))
    }

    /// A route in the words of Landfall's own proxy.
    fn status(&self, view: RouteView, held_now: u64) -> Option<RouteStatus> {
        let mut config: RouteConfig = serde_json::from_value(view.route.kept.clone()).ok()?;
        config.host = view.route.host.clone();
        config.prefix = view.route.prefix.clone();
        let weight = |label: &str| {
            let share = config.pools.iter().find(|share| share.pool.label == label);
            share.map_or(0, |share| share.weight)
        };
        let health = self.caddies.health.lock().unwrap_or_else(PoisonError::into_inner);
        let backends = config.pools.iter().flat_map(|share| {
            let addresses = match &share.pool.backend {
                OwnBackend::Instances { addresses } => addresses.as_slice(),
                OwnBackend::Files { .. } => &[],
            };
            addresses.iter().map(|address| BackendStatus {
                pool: share.pool.label.clone(),
                address: *address,
                healthy: health.get(address).copied().unwrap_or(true),
                // Caddy counts by pool.
                inflight: 0,
                checks: None,
            })
        });
        let pool = |pool: PoolView| PoolStatus {
            weight: weight(&pool.label),
            label: pool.label,
            inflight: pool.under_way.all(),
            streams: pool.under_way.streams,
            drain_ms: None,
            served: pool.requests - pool.failed,
            failed: pool.failed,
            held: pool.held,
            p50_ms: pool.p50_ms,
            p99_ms: pool.p99_ms,
        };
        Some(RouteStatus {
            holding: view.held && !view.paused,
            paused: view.paused,
            maintenance: view.maintenance,
            held_now,
            backends: backends.collect(),
            pools: view.pools.into_iter().map(pool).collect(),
            config,
        })
    }

    pub(super) async fn put(&self, config: &RouteConfig) -> Result<(), Fault> {
        let caddy = self.caddy()?;
        let route = route_of(config)?;
        let id = config.id.as_str();
        let room = self.find_room(id).await?;
        if let Some(known) = &room {
            // Who waits is let through first: to whom new requests go right after.
            let mut open = known.config.clone();
            open.pools.clone_from(&config.pools);
            own::put(self.room, &open).await?;
        }
        caddy.put(route).await?;
        if room.is_some_and(|room| !room.paused) {
            self.close_room(&caddy, id).await?;
        }
        Ok(())
    }

    /// Closes the waiting room once nobody is in it. A room that long answers or upgraded connections go through stays
    /// until the next time.
    async fn close_room(&self, caddy: &Caddy, id: &str) -> Result<(), Fault> {
        if caddy.waited(id, WAITED).await? > 0 {
            return Ok(());
        }
        if let Some(meter) = own::meter(self.room, &room_of(id)).await? {
            let mut waited = self.caddies.waited.lock().unwrap_or_else(PoisonError::into_inner);
            waited.insert(id.to_owned(), meter);
        }
        own::remove(self.room, &room_of(id)).await
    }

    pub(super) async fn hold(
        &self,
        id: &str,
        wait: Duration,
        task: &dyn Task,
    ) -> Result<Option<Hold>, Fault> {
        let caddy = self.caddy()?;
        let Some(plate) = self.plate().await? else { return Ok(None) };
        let Some(known) = plate.routes.into_iter().find(|route| route.config.id == id) else {
            return Ok(None);
        };
        let is_site =
            known.config.pools.iter().any(|share| matches!(share.pool.backend, OwnBackend::Files { .. }));
        if is_site {
            // A site has nothing to wait for: its files take over in one step.
            return Ok(Some(Hold { inflight: 0, streams: 0 }));
        }
        let deadline = Instant::now() + wait;
        if !known.holding {
            // Who waited once and then opened a stream has it through the waiting room.
            let ended = async {
                let straight = caddy.streams(id, wait);
                let (straight, through_room) = tokio::join!(straight, self.room_streams(id, deadline));
                straight?;
                through_room
            };
            unless_stopped(task, ended).await?;
        }
        let room = self.open_room(&known.config).await?;
        let held = caddy.hold(id, room, wait).await?;
        Ok(held.map(|held| Hold { inflight: held.requests, streams: held.streams }))
    }

    /// Waits until no stream is open through the waiting room of a route.
    async fn room_streams(&self, id: &str, deadline: Instant) -> Result<(), Fault> {
        if self.room.is_running().await {
            own::streams(self.room, &room_of(id), deadline).await?;
        }
        Ok(())
    }

    /// Opens the waiting room of a route, held; gives its address. One that is open stays where it is.
    async fn open_room(&self, config: &RouteConfig) -> Result<SocketAddr, Fault> {
        self.room.ensure().await?;
        let id = room_of(&config.id);
        let room = self.room_config(config).await?;
        if self.find_room(&config.id).await?.is_none() {
            own::put(self.room, &room).await?;
        }
        own::start_meter(self.room, &id).await?;
        own::hold_now(self.room, &id, Duration::ZERO).await?;
        Ok(room.listen)
    }

    async fn find_room(&self, id: &str) -> Result<Option<RouteStatus>, Fault> {
        let rooms = own::plate(self.room).await?.map(|plate| plate.routes).unwrap_or_default();
        Ok(rooms.into_iter().find(|known| known.config.id == room_of(id)))
    }

    /// What Landfall's own proxy is told of the waiting room of a route: where it is already, else on a free port.
    async fn room_config(&self, config: &RouteConfig) -> Result<RouteConfig, Fault> {
        let listen = match self.find_room(&config.id).await? {
            Some(known) => known.config.listen,
            None => {
                let chosen = ports::choose(1, &BTreeSet::new())?;
                let parsed = chosen.first().and_then(|address| address.parse().ok());
                parsed.ok_or_else(|| Fault::internal("a chosen address is no address"))?
            }
        };
        let trusted = ["127.0.0.0/8", "::1/128"].iter().filter_map(|network| network.parse().ok()).collect();
        let http = HttpOptions {
            protocol: config.http.protocol,
            answer_ms: config.http.answer_ms,
            // Caddy has said who the client is, and logs the request.
            trusted,
            access_log: false,
            ..HttpOptions::default()
        };
        Ok(RouteConfig {
            id: room_of(&config.id),
            listen,
            host: "*".to_owned(),
            prefix: "/".to_owned(),
            strip: false,
            hold: config.hold,
            health: None,
            pools: config.pools.clone(),
            sticky: None,
            tls: None,
            http,
        })
    }

    pub(super) fn set_maintenance(&self, id: &str, on: bool) -> Result<bool, Fault> {
        Ok(self.caddy()?.set_maintenance(id, on)?)
    }

    /// Takes instances that do not answer out of a route, and back in.
    pub(super) async fn shun(&self, id: &str, unhealthy: &[SocketAddr]) -> Result<(), Fault> {
        Ok(self.caddy()?.shun(id, unhealthy).await?)
    }

    /// Puts the routes back into a Caddy that was started by others without them.
    pub(super) async fn reapply(&self) -> Result<(), Fault> {
        Ok(self.caddy()?.reapply().await?)
    }

    pub(super) async fn set_paused(&self, id: &str, on: bool) -> Result<bool, Fault> {
        let caddy = self.caddy()?;
        let Some(plate) = self.plate().await? else { return Ok(false) };
        let Some(known) = plate.routes.into_iter().find(|route| route.config.id == id) else {
            return Ok(false);
        };
        if on {
            let room = self.open_room(&known.config).await?;
            own::set_paused(self.room, &room_of(id), true).await?;
            return Ok(caddy.set_paused(id, Some(room)).await?);
        }
        if known.paused {
            own::put(self.room, &self.room_config(&known.config).await?).await?;
            own::set_paused(self.room, &room_of(id), false).await?;
            caddy.set_paused(id, None).await?;
            self.close_room(&caddy, id).await?;
        }
        Ok(true)
    }

    pub(super) async fn remove(&self, id: &str) -> Result<(), Fault> {
        self.caddy()?.remove(id).await?;
        if self.room.is_running().await {
            own::remove(self.room, &room_of(id)).await?;
        }
        Ok(())
    }

    pub(super) async fn drained(&self, id: &str, label: &str, wait: Duration) -> Result<u64, Fault> {
        Ok(self.caddy()?.drained(id, label, wait).await?)
    }

    pub(super) async fn busy(&self, id: &str, address: SocketAddr) -> Result<u64, Fault> {
        Ok(self.caddy()?.busy(id, address).await?)
    }

    pub(super) async fn samples(&self, id: &str) -> Result<Vec<Sample>, Fault> {
        let view = self.caddy()?.view().await?;
        let route = view.routes.into_iter().find(|view| view.route.id == id);
        let sample = |pool: PoolView| Sample {
            label: pool.label,
            requests: pool.requests,
            errors: pool.errors,
            latency: pool.latency,
        };
        Ok(route.map(|route| route.pools.into_iter().map(sample).collect()).unwrap_or_default())
    }

    pub(super) async fn start_meter(&self, id: &str) -> Result<(), Fault> {
        self.caddies.waited.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        Ok(self.caddy()?.start_meter(id).await?)
    }

    pub(super) async fn meter(&self, id: &str) -> Result<Option<Meter>, Fault> {
        let Some(meter) = self.caddy()?.meter(id).await? else { return Ok(None) };
        let known = self.caddies.waited.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        let room = match known {
            Some(room) => Some(room),
            // Whoever waits still, or did when the room could not be closed.
            None if self.room.is_running().await => own::meter(self.room, &room_of(id)).await?,
            None => None,
        };
        // What the waiting room answered itself came to Caddy as an answer.
        let turned_away = room.as_ref().map_or(0, |room| room.failed).min(meter.requests - meter.failed);
        Ok(Some(Meter {
            served: meter.requests - meter.failed - turned_away,
            failed: meter.failed + turned_away,
            held: meter.held,
            p50_ms: meter.p50_ms,
            p99_ms: meter.p99_ms,
            pause_ms: room.map_or(0, |room| room.pause_ms),
        }))
    }
}

/// A route in the words of the Caddy crate.
fn route_of(config: &RouteConfig) -> Result<Route, Fault> {
    let kept = serde_json::to_value(config)
        .map_err(|error| Fault::internal(format!("a route has no JSON form: {error}")))?;
    let http = &config.http;
    Ok(Route {
        id: config.id.clone(),
        listen: config.listen,
        host: config.host.clone(),
        prefix: config.prefix.clone(),
        strip: config.strip,
        pools: config.pools.iter().map(share_of).collect(),
        sticky: config.sticky.clone(),
        tls: config.tls.clone(),
        http: Http {
            protocol: http.protocol,
            body: http.body,
            answer_ms: http.answer_ms,
            trusted: http.trusted.clone(),
            proxy_protocol: http.proxy_protocol,
            errors: http.errors.clone(),
            maintenance: http.maintenance.clone(),
        },
        kept,
    })
}

fn share_of(share: &landfall_proxy::Share) -> Share {
    let backend = match &share.pool.backend {
        OwnBackend::Instances { addresses } => Backend::Instances(addresses.clone()),
        OwnBackend::Files { root } => Backend::Files(root.clone()),
    };
    Share { label: share.pool.label.clone(), backend, weight: share.weight }
}
