//! The host's routes: what the engine asks of them, said to the proxy in its own words.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use landfall_fx::host::{Metrics, Note, Routes, Sample, Split, Task};
use landfall_model::{
    Fault, Http, Kind, Millis, Release, ReleaseId, Requests, Route, ServedArtifact, overlap,
};
use landfall_proxy::{Backend, HealthCheck, Hold, HoldLimits, HttpOptions, RouteConfig, RouteStatus, Share};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::doors::{Doorplate, unless_stopped};
use crate::host::LocalHost;
use crate::runtimes;

/// The longest a request through the front door may take to prove a release.
const PROOF: Duration = Duration::from_secs(10);

/// The proxy's header that asks which pool answered, and the one that says it.
const PROBE_HEADER: &str = "x-landfall-probe";
const POOL_HEADER: &str = "x-landfall-pool";

/// How a connection begins whose proxy speaks for itself (PROXY protocol, section 2.1).
const OWN_PREAMBLE: &[u8] = b"PROXY UNKNOWN\r\n";

fn listen_address(route: &Route) -> Result<SocketAddr, Fault> {
    route.listen.parse().map_err(|_| Fault::usage(format!("`{}` is no address to listen on", route.listen)))
}

/// The prefixes of other routes of the same host that answer where this one does.
fn neighbours(route: &Route, id: &str, routes: &[RouteStatus]) -> Vec<String> {
    let address = listen_address(route).ok();
    let configs = routes.iter().map(|known| &known.config).filter(|config| config.id != id);
    let here = |listen| address.is_some_and(|address| overlap(listen, address));
    let same = configs.filter(|config| here(config.listen) && config.host == route.host);
    same.map(|config| config.prefix.clone()).collect()
}

/// Whether a connection from `source` to `address` is to begin with the PROXY protocol: a route there trusts it to.
fn expects_preamble(address: SocketAddr, source: IpAddr, routes: &[RouteStatus]) -> bool {
    let configs = routes.iter().map(|known| &known.config).filter(|config| config.http.proxy_protocol);
    let mut trusted =
        configs.filter(|config| overlap(config.listen, address)).flat_map(|config| &config.http.trusted);
    trusted.any(|network| network.contains(source))
}

/// Whether a route with this prefix takes a path: by whole segments.
fn takes(prefix: &str, path: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    let path = path.split(['?', '#']).next().unwrap_or_default();
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The path that proves a release through the front door: that of its health check, where a request for it comes to
/// this route and not to one of `others`; else the route's own.
fn proof_path(route: &Route, kind: Kind, health: Option<&str>, others: &[String]) -> String {
    let inner = health.unwrap_or("/");
    let path = if route.strip || kind == Kind::Site {
        format!("{}{inner}", route.prefix.trim_end_matches('/'))
    } else {
        inner.to_owned()
    };
    let nearer = |other: &String| other.len() > route.prefix.len() && takes(other, &path);
    if takes(&route.prefix, &path) && !others.iter().any(nearer) { path } else { route.prefix.clone() }
}

/// What the proxy is told of a route's HTTP; pages are files of the release in `folder`.
fn http_options(http: &Http, folder: &Path) -> HttpOptions {
    let default = HttpOptions::default();
    HttpOptions {
        protocol: http.protocol,
        body: http.body,
        answer_ms: http.timeout.map_or(default.answer_ms, |timeout| timeout.0),
        trusted: http.trusted.clone(),
        proxy_protocol: http.proxy_protocol,
        errors: http.errors.iter().map(|(status, page)| (*status, folder.join(page))).collect(),
        maintenance: http.maintenance.as_ref().map(|page| folder.join(page)),
        access_log: !http.unlogged,
        ..default
    }
}

impl LocalHost {
    pub(crate) fn route_config(&self, release: &Release, route: &Route) -> Result<RouteConfig, Fault> {
        let spec = &release.spec;
        let pool = self.pool(release, spec.replicas)?;
        Ok(RouteConfig {
            id: release.route_id(),
            listen: listen_address(route)?,
            host: route.host.clone(),
            prefix: route.prefix.clone(),
            strip: route.strip,
            hold: HoldLimits {
                requests: route.hold.requests,
                bytes: route.hold.bytes,
                time_ms: route.hold.time.0,
            },
            health: Some(HealthCheck {
                path: spec.health.path.clone(),
                status: spec.health.status,
                interval_ms: spec.health.interval.0,
                timeout_ms: spec.health.timeout.0,
            }),
            pools: vec![Share { pool, weight: 1 }],
            sticky: None,
            tls: route.tls.clone(),
            http: http_options(&route.http, &self.dir().release(release)),
        })
    }

    /// Tells the proxy where the instances of a release listen now, when it sends requests to that release and to other
    /// addresses.
    pub(crate) fn follow_addresses(&self, release: &Release) -> Result<(), Fault> {
        let Some(route) = &release.spec.route else { return Ok(()) };
        let door = self.wait_for(self.door_of(release, route))?;
        let Some(plate) = self.wait_for(door.plate())? else { return Ok(()) };
        let id = release.route_id();
        let known = plate.routes.into_iter().find(|known| known.config.id == id && !known.holding);
        let Some(mut known) = known else { return Ok(()) };
        let label = release.id.version().to_string();
        let mut stale = false;
        for share in known.config.pools.iter_mut().filter(|share| share.pool.label == label) {
            // A pool always has the first so many instances.
            let Backend::Instances { addresses } = &share.pool.backend else { continue };
            let moved = self.pool(release, u32::try_from(addresses.len()).unwrap_or(u32::MAX))?;
            stale |= share.pool != moved;
            share.pool = moved;
        }
        if stale {
            self.wait_for(door.put(&known.config))?;
        }
        Ok(())
    }

    /// Waits until no request of an old release is under way, at most `wait`; says how many still are.
    pub(crate) async fn drained(&self, release: &Release, wait: Duration) -> Result<u64, Fault> {
        let Some(route) = &release.spec.route else { return Ok(0) };
        let door = self.door_of(release, route).await?;
        if !door.is_running().await {
            return Ok(0);
        }
        let label = release.id.version().to_string();
        door.drained(&release.route_id(), &label, wait).await
    }

    async fn prove_route(
        &self,
        release: &Release,
        route: &Route,
        plate: &Doorplate,
    ) -> Result<ServedArtifact, Fault> {
        let address = listen_address(route)?;
        let target = match address {
            SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], v4.port())),
            SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
                SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, v6.port()))
            }
            other => other,
        };
        let host = if route.host == "*" { "localhost" } else { &route.host };
        let others = neighbours(route, &release.route_id(), &plate.routes);
        let path = proof_path(route, release.spec.kind, release.spec.health.path.as_deref(), &others);
        let failed = |error: &dyn std::fmt::Display| {
            Fault::machine(format!("GET {}{path} through the front door failed: {error}", route.url()))
        };
        let mut stream = TcpStream::connect(target).await.map_err(|e| failed(&e))?;
        let source = stream.local_addr().map_err(|e| failed(&e))?;
        if expects_preamble(target, source.ip(), &plate.routes) {
            stream.write_all(OWN_PREAMBLE).await.map_err(|e| failed(&e))?;
        }
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| failed(&e))?;
        let driver = tokio::spawn(connection);
        let request = http::Request::get(&path)
            .header(HOST, format!("{host}:{}", address.port()))
            .header(PROBE_HEADER, &plate.token)
            .body(Empty::<Bytes>::new())
            .map_err(|e| failed(&e))?;
        let answer = sender.send_request(request).await.map_err(|e| failed(&e))?;
        driver.abort();
        let version =
            answer.headers().get(POOL_HEADER).and_then(|v| v.to_str().ok()).unwrap_or("none").to_owned();
        Ok(ServedArtifact { path, status: answer.status().as_u16(), version })
    }
}

/// What a hold did not see the end of.
fn left_open(hold: Hold, drain: Millis) -> Note {
    let count = |count: u64, one: &str, more: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {more}")),
    };
    let left = [count(hold.inflight, "request", "requests"), count(hold.streams, "stream", "streams")];
    let left: Vec<String> = left.into_iter().flatten().collect();
    (!left.is_empty()).then(|| format!("still open after {drain}: {}", left.join(", ")))
}

impl Routes for LocalHost {
    fn hold(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        let Some(route) = &release.spec.route else { return Ok(None) };
        let door = self.wait_for(self.door_of(release, route))?;
        if door.is_wanted() {
            // One that was killed a moment ago has its routes again when it answers.
            self.wait_for(door.ensure())?;
        }
        let id = release.route_id();
        let held = self.wait_for(door.hold(&id, release.spec.drain.duration(), task))?;
        Ok(match held {
            None => Some("no route yet".to_owned()),
            Some(hold) => left_open(hold, release.spec.drain),
        })
    }

    fn switch(&self, release: &Release) -> Result<Note, Fault> {
        runtimes::of(release).serves(self, release)?;
        let Some(route) = &release.spec.route else { return Ok(None) };
        let config = self.route_config(release, route)?;
        let door = self.door(route);
        self.wait_for(door.ensure())?;
        self.wait_for(self.serve(&door, &config))?;
        Ok(Some(route.url()))
    }

    fn split(&self, split: &Split<'_>) -> Result<Note, Fault> {
        self.put_split(split)
    }

    fn drain(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        let drained = self.drained(release, release.spec.drain.duration());
        let inflight = self.wait_for(unless_stopped(task, drained))?;
        Ok((inflight > 0).then(|| {
            let requests = if inflight == 1 { "request was" } else { "requests were" };
            format!("{inflight} {requests} still under way after {}", release.spec.drain)
        }))
    }

    fn unroute(&self, release: &Release) -> Result<(), Fault> {
        let Some(route) = &release.spec.route else { return Ok(()) };
        let door = self.wait_for(self.door_of(release, route))?;
        self.wait_for(door.ensure())?;
        self.wait_for(door.remove(&release.route_id()))
    }

    fn serving(&self, release: &Release) -> Result<Option<ReleaseId>, Fault> {
        let shares = self.shares(release)?;
        let all = shares.into_iter().find(|(_, share)| *share == 100).map(|(version, _)| version);
        Ok(all
            .and_then(|version| version.parse().ok())
            .map(|version| ReleaseId::new(release.service().clone(), version)))
    }

    fn traffic(&self, release: &Release) -> Result<BTreeMap<String, u32>, Fault> {
        self.shares(release)
    }

    fn samples(&self, release: &Release) -> Result<BTreeMap<ReleaseId, Sample>, Fault> {
        self.sampled(release)
    }

    fn prove(&self, release: &Release) -> Result<Option<ServedArtifact>, Fault> {
        let Some(route) = &release.spec.route else { return Ok(None) };
        let served = self.wait_for(async {
            let closed = || Fault::machine(format!("nobody serves {}: its proxy does not run", route.url()));
            let plate = self.door(route).plate().await?.ok_or_else(closed)?;
            timeout(PROOF, self.prove_route(release, route, &plate)).await.map_err(|_| {
                Fault::application(format!(
                    "{} gave no answer through the front door within 10 s",
                    route.url()
                ))
            })?
        })?;
        let wanted = release.id.version().to_string();
        if served.version != wanted {
            return Err(Fault::machine(format!(
                "{}{} was answered by version {}, not by {wanted}",
                route.url(),
                served.path,
                served.version
            )));
        }
        Ok(Some(served))
    }

    fn start_meter(&self, release: &Release) -> Result<(), Fault> {
        let Some(route) = &release.spec.route else { return Ok(()) };
        let door = self.door(route);
        if !self.wait_for(door.is_running()) {
            return Ok(());
        }
        self.wait_for(door.start_meter(&release.route_id()))
    }

    fn metered(&self, release: &Release) -> Result<(Requests, u64), Fault> {
        let Some(route) = &release.spec.route else { return Ok(Default::default()) };
        let door = self.door(route);
        if !self.wait_for(door.is_running()) {
            return Ok(Default::default());
        }
        let Some(meter) = self.wait_for(door.meter(&release.route_id()))? else {
            return Ok(Default::default());
        };
        let requests = Requests {
            served: meter.served,
            failed: meter.failed,
            held: meter.held,
            p50_ms: meter.p50_ms,
            p99_ms: meter.p99_ms,
        };
        Ok((requests, meter.pause_ms))
    }
}

impl Metrics for LocalHost {
    fn query(&self, server: &str, query: &str) -> Result<Option<f64>, Fault> {
        self.wait_for(crate::metrics::query(server, query))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(prefix: &str, strip: bool, kind: Kind, health: Option<&str>, others: &[&str], expected: &str) {
        let route = Route {
            listen: "127.0.0.1:80".to_owned(),
            host: "*".to_owned(),
            prefix: prefix.to_owned(),
            strip,
            hold: landfall_model::HoldLimits::default(),
            tls: None,
            http: Http::default(),
            proxy: landfall_model::Proxy::default(),
        };
        let others: Vec<String> = others.iter().map(|other| (*other).to_owned()).collect();
        assert_eq!(proof_path(&route, kind, health, &others), expected);
    }

    #[test]
    fn a_release_is_proved_by_a_path_that_comes_to_it() {
        check("/", false, Kind::Web, Some("/healthz"), &[], "/healthz");
        check("/", false, Kind::Web, None, &[], "/");
        check("/api", false, Kind::Web, Some("/api/healthz"), &["/"], "/api/healthz");
        check("/api", false, Kind::Web, Some("/api?deep=1"), &[], "/api?deep=1");
        check("/api", true, Kind::Web, Some("/healthz"), &[], "/api/healthz");
        check("/docs/", false, Kind::Site, None, &["/"], "/docs/");
    }

    #[test]
    fn a_path_that_goes_elsewhere_proves_nothing() {
        check("/api", false, Kind::Web, Some("/healthz"), &[], "/api");
        check("/api", false, Kind::Web, Some("/apis"), &[], "/api");
        check("/", false, Kind::Web, Some("/api/healthz"), &["/api"], "/");
        check("/", false, Kind::Web, Some("/apis"), &["/api"], "/apis");
        check("/", true, Kind::Web, Some("/a/b/c"), &["/a/b"], "/");
    }
}
