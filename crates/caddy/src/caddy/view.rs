//! A Caddy as it is now, for people and for the read back.

use std::net::SocketAddr;

use super::{Caddy, UnderWay};
use crate::certificate::{self, CertificateView};
use crate::config;
use crate::fault::CaddyError;
use crate::route::Route;

/// A Caddy as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// The value of the header `x-landfall-probe` that makes an answer name its pool.
    pub token: String,
    /// The routes, by id.
    pub routes: Vec<RouteView>,
    /// Whether Landfall's parts of the configuration are not what they should be: somebody changed them by hand. The next
    /// deploy puts them right.
    pub drifted: bool,
    /// The certificates it has, by name; of a Caddy that runs as another user none.
    pub certificates: Vec<CertificateView>,
}

/// One route.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteView {
    /// What was put.
    pub route: Route,
    /// Whether requests wait.
    pub held: bool,
    /// Instances that do not answer and get no requests.
    pub shunned: Vec<SocketAddr>,
    /// The labels that get requests, as the links say that Caddy follows.
    pub serving: Vec<String>,
    /// The pools it has or had lately, the newest last.
    pub pools: Vec<PoolView>,
    /// Whether maintenance is on.
    pub maintenance: bool,
    /// Whether requests wait until a person lets them through.
    pub paused: bool,
}

/// One pool, counted as far back as the log goes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PoolView {
    /// Its label.
    pub label: String,
    /// What is under way.
    pub under_way: UnderWay,
    /// Requests that were answered, by whomever.
    pub requests: u64,
    /// Those with a status of 500 and more.
    pub errors: u64,
    /// Those that Caddy itself answered because no instance could.
    pub failed: u64,
    /// Those that waited.
    pub held: u64,
    /// The median in milliseconds.
    pub p50_ms: Option<f64>,
    /// The 99th percentile in milliseconds.
    pub p99_ms: Option<f64>,
    /// The largest duration of a bucket in microseconds, and how many fell into it.
    pub latency: Vec<(u64, u64)>,
}

impl Caddy {
    /// The Caddy as it is now.
    ///
    /// # Errors
    /// One that does not answer, files that cannot be used.
    pub async fn view(&self) -> Result<View, CaddyError> {
        let token = self.token()?;
        let stored = self.folder.routes()?;
        let (now, _) = self.admin.get("/config/").await?;
        let wanted = config::merge(&now, &stored, self.setting(&token)).map_err(CaddyError::Wrong)?;
        let mut routes = Vec::new();
        for stored in &stored {
            let id = &stored.route.id;
            let under_way = self.under_way(id).await?;
            let counts = self.counts(id).await?;
            let pointed = self.folder.pointed(stored);
            let pool = |label: &str| {
                let sides = stored.sides.all().iter().filter(|known| known.label == label);
                let counts = counts.get(label).cloned().unwrap_or_default();
                PoolView {
                    label: label.to_owned(),
                    under_way: sides.filter_map(|known| under_way.get(&known.side)).copied().sum(),
                    requests: counts.requests,
                    errors: counts.errors,
                    failed: counts.failed,
                    held: counts.held,
                    p50_ms: counts.quantile_ms(0.5),
                    p99_ms: counts.quantile_ms(0.99),
                    latency: counts.latency.into_iter().collect(),
                }
            };
            routes.push(RouteView {
                route: stored.route.clone(),
                held: pointed.held,
                shunned: stored.shunned.clone(),
                serving: pointed.pools.into_iter().map(|(label, _)| label).collect(),
                pools: stored.sides.labels().into_iter().map(pool).collect(),
                paused: stored.paused,
                maintenance: self.folder.in_maintenance(id),
            });
        }
        Ok(View {
            token,
            routes,
            drifted: wanted != now,
            certificates: certificate::all(&self.folder.root().join("data")),
        })
    }
}
