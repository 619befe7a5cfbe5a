//! All doors of this host, and how an address moves from one to another: a line in the manifest, an ordinary deploy.

use std::net::SocketAddr;
use std::time::Duration;

use landfall_model::{Fault, FaultKind, Release, Route};
use landfall_proxy::{RouteConfig, RouteStatus};

use super::{Door, Doorplate};
use crate::host::LocalHost;

/// How long requests on the way through the door that is given up may take before it closes.
const DRAIN: Duration = Duration::from_secs(10);

impl LocalHost {
    /// Every door that was ever told to serve anything.
    pub(crate) fn doors(&self) -> Vec<Door<'_>> {
        let mut doors: Vec<Door<'_>> = Vec::new();
        if self.proxy().is_wanted() {
            doors.push(Door::Own(self.proxy()));
        }
        doors.extend(self.caddies().used().into_iter().map(|admin| self.caddy_door(admin)));
        doors
    }

    /// The routes of all doors that are open and answer.
    pub(crate) async fn routes_now(&self) -> Vec<RouteStatus> {
        let mut routes = Vec::new();
        for door in self.doors() {
            // Who asks wants what can be seen; a door that is broken is told of by who looks after it.
            routes.extend(door.plate().await.ok().flatten().into_iter().flat_map(|plate| plate.routes));
        }
        routes
    }

    /// The door that has a release's route now; where none has, the one that it is to be served by.
    pub(crate) async fn door_of<'a>(&'a self, release: &Release, route: &Route) -> Result<Door<'a>, Fault> {
        let wanted = self.door(route);
        let id = release.route_id();
        let has = |plate: Option<Doorplate>| {
            plate.is_some_and(|plate| plate.routes.iter().any(|known| known.config.id == id))
        };
        let others: Vec<Door<'a>> = self.doors().into_iter().filter(|door| !door.is(&wanted)).collect();
        if others.is_empty() || has(wanted.plate().await?) {
            return Ok(wanted);
        }
        for door in others {
            if has(door.plate().await?) {
                return Ok(door);
            }
        }
        Ok(wanted)
    }

    /// Serves a route by one door, and by no other any more.
    pub(crate) async fn serve(&self, door: &Door<'_>, config: &RouteConfig) -> Result<(), Fault> {
        for other in self.doors().into_iter().filter(|other| !other.is(door)) {
            let Some(plate) = other.plate().await? else { continue };
            let moves = moving(config, plate.routes, door)?;
            if !moves.is_empty() {
                return hand_over(&other, door, config, moves).await;
            }
        }
        door.put(config).await
    }
}

/// The routes that leave another door because of this one: the route itself, and those of the same application that share
/// its address, for an address has one door.
fn moving(config: &RouteConfig, routes: Vec<RouteStatus>, to: &Door<'_>) -> Result<Vec<RouteConfig>, Fault> {
    let wanted = addresses(config);
    let place = config.id.rsplit_once('/').map_or("", |(place, _)| place);
    let mut moves = Vec::new();
    for known in routes.into_iter().map(|known| known.config) {
        let shares = addresses(&known).iter().any(|address| wanted.contains(address));
        let ours = known.id.starts_with(&format!("{place}/"));
        if known.id == config.id || (shares && ours) {
            moves.push(known);
        } else if shares {
            let message = format!(
                "{} is served by another proxy, for `{}`: an address has one",
                known.listen, known.id
            );
            return Err(Fault::machine(message).kind(FaultKind::Failed).help(format!(
                "give this environment another `port`, or the proxy that it shares the address with (not {})",
                to.name()
            )));
        }
    }
    Ok(moves)
}

fn addresses(config: &RouteConfig) -> Vec<SocketAddr> {
    let secure = config.tls.as_ref().and_then(|tls| tls.listen.parse().ok());
    [Some(config.listen), secure].into_iter().flatten().collect()
}

/// Moves routes from one door to another. What was on its way, and who waited, is answered by the new release through the
/// old door; then that one closes. When the new one cannot open, everything is as it was.
async fn hand_over(
    from: &Door<'_>,
    to: &Door<'_>,
    config: &RouteConfig,
    moves: Vec<RouteConfig>,
) -> Result<(), Fault> {
    let fresh: Vec<RouteConfig> = moves.iter().filter(|known| known.id != config.id).cloned().collect();
    let fresh: Vec<RouteConfig> = fresh.into_iter().chain([config.clone()]).collect();
    if to.opens_beside() {
        if let Err(fault) = put_all(to, &fresh).await {
            remove_all(to, &fresh).await;
            return Err(fault);
        }
        give_up(from, config, &moves).await?;
        return Ok(());
    }
    // The new door cannot open while the old one is: there is a moment without any.
    give_up(from, config, &moves).await?;
    if let Err(fault) = put_all(to, &fresh).await {
        remove_all(to, &fresh).await;
        put_all(from, &moves).await?;
        return Err(fault);
    }
    Ok(())
}

async fn put_all(door: &Door<'_>, routes: &[RouteConfig]) -> Result<(), Fault> {
    for route in routes {
        door.put(route).await?;
    }
    Ok(())
}

async fn remove_all(door: &Door<'_>, routes: &[RouteConfig]) {
    for route in routes {
        // It was not put, or is told of with the fault that made it go.
        let _ = door.remove(&route.id).await;
    }
}

/// Sends what still comes to the old door to the new release, waits for what is under way to the old one, closes.
async fn give_up(from: &Door<'_>, config: &RouteConfig, moves: &[RouteConfig]) -> Result<(), Fault> {
    if let Some(known) = moves.iter().find(|known| known.id == config.id) {
        let mut last = known.clone();
        last.pools.clone_from(&config.pools);
        from.put(&last).await?;
        let gone = known.pools.iter().map(|share| &share.pool.label);
        for label in gone.filter(|label| config.pools.iter().all(|share| share.pool.label != **label)) {
            from.drained(&known.id, label, DRAIN).await?;
        }
    }
    for known in moves {
        from.remove(&known.id).await?;
    }
    Ok(())
}
