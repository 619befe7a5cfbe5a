//! `proxy.json` of format 1: a route had one pool.

use std::net::SocketAddr;

use serde::Deserialize;

use super::Kept;
use crate::{HealthCheck, HoldLimits, HttpOptions, Pool, RouteConfig, Share};

/// The whole file.
#[derive(Deserialize)]
pub(super) struct Stored {
    routes: Vec<Route>,
}

#[derive(Deserialize)]
struct Route {
    id: String,
    listen: SocketAddr,
    host: String,
    prefix: String,
    strip: bool,
    hold: HoldLimits,
    health: Option<HealthCheck>,
    pool: Pool,
}

impl From<Stored> for Vec<Kept> {
    fn from(stored: Stored) -> Self {
        stored.routes.into_iter().map(|route| RouteConfig::from(route).into()).collect()
    }
}

impl From<Route> for RouteConfig {
    fn from(route: Route) -> Self {
        let Route { id, listen, host, prefix, strip, hold, health, pool } = route;
        Self {
            id,
            listen,
            host,
            prefix,
            strip,
            hold,
            health,
            pools: vec![Share { pool, weight: 1 }],
            sticky: None,
            tls: None,
            http: HttpOptions::default(),
        }
    }
}
