//! A Caddy that is driven: routes are put, held, drained and counted.

mod view;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use landfall_fx::{Files as _, Random as _, RealFiles, SystemRandom};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::admin::Admin;
use crate::config::{self, OURS, Setting};
use crate::fault::CaddyError;
use crate::folder::{Folder, Stored};
use crate::log::{self, Counts, Tally};
use crate::route::{Backend, MAX_POOLS, Route, key_of};
use crate::table::{self, MAX_LABEL, SIDES, WAITING, streams_of};
use crate::version::Version;

pub use view::{PoolView, RouteView, View};

/// How often a change is tried that others change the configuration under.
const TRIES: u32 = 5;

/// Between two looks at what is under way.
const LOOK: Duration = Duration::from_millis(15);

/// Nothing is under way when this many looks in a row saw nothing: a request that has found its pool takes a moment to
/// be counted there.
const QUIET: u32 = 2;

/// Drives one Caddy: its configuration over the admin API, who answers through its folder.
#[derive(Debug)]
pub struct Caddy {
    folder: Folder,
    admin: Admin,
    version: Version,
    /// One change at a time.
    changes: tokio::sync::Mutex<()>,
    tally: Arc<Mutex<Tally>>,
}

/// What is under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnderWay {
    /// Requests, streams left out.
    pub requests: u64,
    /// Streams.
    pub streams: u64,
}

impl std::iter::Sum for UnderWay {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            requests: sum.requests + one.requests,
            streams: sum.streams + one.streams,
        })
    }
}

impl UnderWay {
    /// All of it.
    #[must_use]
    pub fn all(self) -> u64 {
        self.requests + self.streams
    }
}

/// Requests since a meter was started.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Meter {
    /// All of them.
    pub requests: u64,
    /// Those that Caddy itself answered because no instance could.
    pub failed: u64,
    /// Those that waited.
    pub held: u64,
    /// The median in milliseconds, from a request's head to its answer's end.
    pub p50_ms: Option<f64>,
    /// The 99th percentile of the same.
    pub p99_ms: Option<f64>,
}

impl Caddy {
    /// A Caddy of this version, whose folder and admin API are these. Nothing is read or called yet.
    #[must_use]
    pub fn new(folder: Folder, admin: Admin, version: Version) -> Self {
        Self { folder, admin, version, changes: tokio::sync::Mutex::default(), tally: Arc::default() }
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Its admin API.
    #[must_use]
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The configuration that a Caddy of Landfall's own starts with when it has saved none: with all routes there are.
    ///
    /// # Errors
    /// Files that cannot be used.
    pub fn first_config(&self, socket: &Path) -> Result<Value, CaddyError> {
        self.folder.prepare()?;
        let token = self.token()?;
        let first = config::first(&self.folder, socket);
        config::merge(&first, &self.folder.routes()?, self.setting(&token)).map_err(CaddyError::Wrong)
    }

    /// Makes who answers what the routes say: after a crash of the machine, links may be missing.
    ///
    /// # Errors
    /// Files that cannot be used.
    pub fn republish(&self) -> Result<(), CaddyError> {
        self.folder.routes()?.iter().try_for_each(|stored| self.folder.publish(stored))
    }

    /// Makes or replaces a route: in one step and without a change of the configuration, as long as nothing but who
    /// answers is new. A hold of it ends.
    ///
    /// # Errors
    /// `Wrong` for a route that no Caddy can be told or that another route clashes with, `Refused` when Caddy does not
    /// take it: everything is then as it was.
    pub async fn put(&self, route: Route) -> Result<(), CaddyError> {
        let _one_at_a_time = self.changes.lock().await;
        let route = route.normal();
        check(&route)?;
        self.folder.prepare()?;
        let token = self.token()?;
        let all = self.folder.routes()?;
        let clashes = |other: &&Stored| {
            let (id, other) = (&route.id, &other.route);
            other.id != *id
                && (other.listen, &other.host, &other.prefix) == (route.listen, &route.host, &route.prefix)
        };
        if let Some(other) = all.iter().find(clashes) {
            return Err(CaddyError::Wrong(format!(
                "{}{} on {} belongs to `{}`",
                route.host, route.prefix, route.listen, other.route.id
            )));
        }
        let before = all.into_iter().find(|stored| stored.route.id == route.id);
        let mut sides = before.as_ref().map(|before| before.sides.clone()).unwrap_or_default();
        sides.assign(&route.pools);
        let slots = table::slots(&route, before.as_ref().map(|before| before.slots));
        let structure = before.as_ref().map_or(1, |before| before.structure);
        // A person's pause is not ended by a deploy.
        let paused = before.as_ref().is_some_and(|before| before.paused);
        let waiting = before.as_ref().and_then(|before| before.waiting).filter(|_| paused);
        let shunned = Vec::new();
        let mut next = Stored { format: 1, route, sides, slots, structure, waiting, paused, shunned };
        let changed = match &before {
            Some(before) => self.shape(before, &token)? != self.shape(&next, &token)?,
            None => true,
        };
        next.structure += u64::from(changed && before.is_some());
        self.folder.publish(&next)?;
        self.folder.store(&next)?;
        if let Err(error) = self.apply(&token).await {
            self.take_back(before.as_ref(), &next)?;
            return Err(error);
        }
        self.folder.clean(&next);
        Ok(())
    }

    /// Puts the routes back into a Caddy that has none of Landfall's parts, as one has that others started anew. Parts that
    /// are there and were changed by hand stay until the next deploy.
    ///
    /// # Errors
    /// A Caddy that does not take them.
    pub async fn reapply(&self) -> Result<(), CaddyError> {
        let _one_at_a_time = self.changes.lock().await;
        let (now, _) = self.admin.get("/config/").await?;
        if config::has_ours(&now) || self.folder.routes()?.is_empty() {
            return Ok(());
        }
        self.apply(&self.token()?).await
    }

    /// Takes a route away; fine when there is none.
    ///
    /// # Errors
    /// A Caddy that does not take the configuration without it.
    pub async fn remove(&self, id: &str) -> Result<(), CaddyError> {
        let _one_at_a_time = self.changes.lock().await;
        let mut routes = self.folder.routes()?;
        let before = routes.len();
        routes.retain(|stored| stored.route.id != id);
        if routes.len() != before {
            self.apply_routes(&routes, &self.token()?).await?;
        }
        self.folder.remove(id)
    }

    /// Waits, at most `wait`, until no stream of a route is open; gives how many are. A stream is what a client asked for
    /// as one, as a websocket or as server-sent events: Caddy does not tell what became of a request before it is over.
    ///
    /// # Errors
    /// A Caddy that does not answer.
    pub async fn streams(&self, id: &str, wait: Duration) -> Result<u64, CaddyError> {
        self.settled(id, |_, under_way| under_way.streams, wait).await
    }

    /// Sends a route's requests to a server that lets them wait, in one step, and waits, at most `wait`, for those under
    /// way but for streams; gives how many of both still are. `None` without such a route.
    ///
    /// # Errors
    /// Files that cannot be used, a Caddy that does not answer.
    pub async fn hold(
        &self,
        id: &str,
        waiting: SocketAddr,
        wait: Duration,
    ) -> Result<Option<UnderWay>, CaddyError> {
        {
            let _one_at_a_time = self.changes.lock().await;
            let Some(mut stored) = self.folder.get(id)? else { return Ok(None) };
            stored.waiting = Some(waiting);
            self.folder.store(&stored)?;
            self.folder.publish(&stored)?;
        }
        let plain = |side, under_way: UnderWay| if side == WAITING { 0 } else { under_way.requests };
        let requests = self.settled(id, plain, wait).await?;
        let streams = self.under_way(id).await?.values().map(|under_way| under_way.streams).sum();
        Ok(Some(UnderWay { requests, streams }))
    }

    /// Waits, at most `wait`, until no request of a pool is under way; gives how many are. A pool that is not known has
    /// none.
    ///
    /// # Errors
    /// A Caddy that does not answer.
    pub async fn drained(&self, id: &str, label: &str, wait: Duration) -> Result<u64, CaddyError> {
        let Some(stored) = self.folder.get(id)? else { return Ok(0) };
        let own = stored.sides.all().iter().filter(|known| known.label == label);
        let own: Vec<char> = own.map(|known| known.side).collect();
        let count = |side, under_way: UnderWay| if own.contains(&side) { under_way.all() } else { 0 };
        if own.is_empty() { Ok(0) } else { self.settled(id, count, wait).await }
    }

    /// How much may be under way to one instance, also one that the route no longer has: Caddy counts by pool, so that
    /// requests to others that were in one pool with it count as well.
    ///
    /// # Errors
    /// A Caddy that does not answer.
    pub async fn busy(&self, id: &str, address: SocketAddr) -> Result<u64, CaddyError> {
        let Some(stored) = self.folder.get(id)? else { return Ok(0) };
        let with = stored.sides.all().iter().filter(|known| known.addresses.contains(&address));
        let with: Vec<char> = with.map(|known| known.side).collect();
        let sides = self.under_way(id).await?;
        Ok(sides.iter().filter(|(side, _)| with.contains(side)).map(|(_, under_way)| under_way.all()).sum())
    }

    /// Takes instances that do not answer out of a route's pools, and back in, without a change of the configuration. A
    /// pool none of whose instances answers keeps all.
    ///
    /// # Errors
    /// Files that cannot be used.
    pub async fn shun(&self, id: &str, unhealthy: &[SocketAddr]) -> Result<(), CaddyError> {
        let _one_at_a_time = self.changes.lock().await;
        let Some(mut stored) = self.folder.get(id)? else { return Ok(()) };
        if stored.shunned != unhealthy {
            stored.shunned = unhealthy.to_vec();
            self.folder.store(&stored)?;
            self.folder.publish(&stored)?;
        }
        Ok(())
    }

    /// Waits, at most `wait`, until nothing is on its way to the server that lets requests wait.
    ///
    /// # Errors
    /// A Caddy that does not answer.
    pub async fn waited(&self, id: &str, wait: Duration) -> Result<u64, CaddyError> {
        self.settled(id, |side, under_way| if side == WAITING { under_way.all() } else { 0 }, wait).await
    }

    /// Turns the maintenance of a route on or off; whether there is such a route.
    ///
    /// # Errors
    /// Files that cannot be used.
    pub fn set_maintenance(&self, id: &str, on: bool) -> Result<bool, CaddyError> {
        match self.folder.get(id)? {
            Some(_) => self.folder.set_maintenance(id, on).map(|()| true),
            None => Ok(false),
        }
    }

    /// Sends a route's requests to a server that lets them wait, until `None` ends that; whether there is such a route.
    ///
    /// # Errors
    /// Files that cannot be used.
    pub async fn set_paused(&self, id: &str, waiting: Option<SocketAddr>) -> Result<bool, CaddyError> {
        let _one_at_a_time = self.changes.lock().await;
        let Some(mut stored) = self.folder.get(id)? else { return Ok(false) };
        (stored.waiting, stored.paused) = (waiting, waiting.is_some());
        self.folder.store(&stored)?;
        self.folder.publish(&stored)?;
        Ok(true)
    }

    /// Starts counting: what [`Caddy::meter`] gives is since the last call.
    ///
    /// # Errors
    /// A log that cannot be read.
    pub async fn start_meter(&self, id: &str) -> Result<(), CaddyError> {
        let kept = self.folder.route(id).join("meter");
        let (id, known) = (id.to_owned(), self.folder.get(id)?.is_some());
        self.with_tally(move |tally| match tally.mark(&id) {
            Some(mark) if known => log::keep_mark(&kept, mark),
            _ => Ok(()),
        })
        .await
    }

    /// What a route's meter shows; `None` without such a route, or when its requests are not logged by Landfall's own
    /// logger, as in servers of others.
    ///
    /// # Errors
    /// A log that cannot be read.
    pub async fn meter(&self, id: &str) -> Result<Option<Meter>, CaddyError> {
        if self.folder.get(id)?.is_none() {
            return Ok(None);
        }
        let id = id.to_owned();
        let counts = self.with_tally(move |tally| Ok(tally.since_mark(&id))).await?;
        Ok(Some(Meter {
            requests: counts.requests,
            failed: counts.failed,
            held: counts.held,
            p50_ms: counts.quantile_ms(0.5),
            p99_ms: counts.quantile_ms(0.99),
        }))
    }

    /// A route's requests by label.
    async fn counts(&self, id: &str) -> Result<BTreeMap<String, Counts>, CaddyError> {
        let id = id.to_owned();
        self.with_tally(move |tally| Ok(tally.labels(&id))).await
    }

    /// Reads the log on, on a thread that may block, and then looks at the counts.
    async fn with_tally<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Tally) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, CaddyError> {
        let (tally, path, folder) = (Arc::clone(&self.tally), self.folder.log(), self.folder.clone());
        let file = path.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.advance(&path, || {
                let routes = folder.routes().unwrap_or_default().into_iter().map(|stored| stored.route.id);
                routes
                    .filter_map(|id| Some((id.clone(), log::kept_mark(&folder.route(&id).join("meter"))?)))
                    .collect()
            })?;
            look(&mut tally)
        });
        let read = read.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        read.map_err(CaddyError::file(file))
    }

    /// What is under way, by the letter of the pool.
    async fn under_way(&self, id: &str) -> Result<BTreeMap<char, UnderWay>, CaddyError> {
        let (upstreams, _) = self.admin.get("/reverse_proxy/upstreams").await?;
        let prefix = format!("{{http.regexp.{OURS}.{}.", key_of(id));
        let mut sides: BTreeMap<char, UnderWay> = BTreeMap::new();
        for upstream in upstreams.as_array().into_iter().flatten() {
            let side = upstream["address"].as_str().and_then(|address| address.strip_prefix(&prefix));
            let side = side.and_then(|rest| rest.chars().next());
            let Some(counted) = side else { continue };
            let count = upstream["num_requests"].as_u64().unwrap_or(0);
            let pool = SIDES.into_iter().find(|side| counted == streams_of(*side));
            if let Some(side) = pool {
                sides.entry(side).or_default().streams += count;
            } else if SIDES.contains(&counted) || counted == WAITING {
                sides.entry(counted).or_default().requests += count;
            }
        }
        Ok(sides)
    }

    async fn settled(
        &self,
        id: &str,
        count: impl Fn(char, UnderWay) -> u64,
        wait: Duration,
    ) -> Result<u64, CaddyError> {
        let deadline = Instant::now() + wait;
        let mut quiet = 0;
        loop {
            let sides = self.under_way(id).await?;
            let left = sides.iter().map(|(side, under_way)| count(*side, *under_way)).sum();
            quiet = if left == 0 { quiet + 1 } else { 0 };
            if quiet == QUIET || (left > 0 && Instant::now() >= deadline) {
                return Ok(left);
            }
            sleep(LOOK).await;
        }
    }

    /// Everything that the configuration says because of a route.
    fn shape(&self, stored: &Stored, token: &str) -> Result<Value, CaddyError> {
        config::merge(&json!({}), std::slice::from_ref(stored), self.setting(token))
            .map_err(CaddyError::Wrong)
    }

    fn setting<'a>(&'a self, token: &'a str) -> Setting<'a> {
        Setting { folder: &self.folder, token, version: self.version }
    }

    /// Makes the configuration what the stored routes say, unless it is that already.
    async fn apply(&self, token: &str) -> Result<(), CaddyError> {
        self.apply_routes(&self.folder.routes()?, token).await
    }

    async fn apply_routes(&self, routes: &[Stored], token: &str) -> Result<(), CaddyError> {
        for _ in 0..TRIES {
            let (now, tag) = self.admin.get("/config/").await?;
            let wanted = config::merge(&now, routes, self.setting(token)).map_err(CaddyError::Wrong)?;
            if wanted == now || self.admin.replace(&wanted, tag.as_deref()).await? {
                return Ok(());
            }
        }
        Err(CaddyError::Contended { tries: TRIES })
    }

    fn take_back(&self, before: Option<&Stored>, next: &Stored) -> Result<(), CaddyError> {
        match before {
            Some(before) => {
                self.folder.store(before)?;
                self.folder.publish(before)?;
                self.folder.clean(before);
                Ok(())
            }
            None => self.folder.remove(&next.route.id),
        }
    }

    /// The value of the header `x-landfall-probe`: made once, known to this user alone.
    fn token(&self) -> Result<String, CaddyError> {
        let path = self.folder.root().join("token");
        if let Ok(text) = fs::read_to_string(&path)
            && text.len() == 32
        {
            return Ok(text);
        }
        let mut random = [0; 16];
        SystemRandom.fill(&mut random).map_err(CaddyError::file(&path))?;
        let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        RealFiles.replace(&path, token.as_bytes()).map_err(CaddyError::file(&path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(CaddyError::file(&path))?;
        Ok(token)
    }
}

/// Says what is wrong with a route, if anything is.
fn check(route: &Route) -> Result<(), CaddyError> {
    let wrong = |what: String| Err(CaddyError::Wrong(what));
    if route.pools.is_empty() || route.pools.len() > MAX_POOLS {
        return wrong(format!("a route through Caddy has 1 to {MAX_POOLS} pools"));
    }
    if route.current().is_none() {
        return wrong(format!("no pool of `{}` has a weight", route.id));
    }
    for share in &route.pools {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
        if share.label.is_empty() || share.label.len() > MAX_LABEL || !share.label.chars().all(plain) {
            return wrong(format!("`{}` is no label that a Caddy can be told", share.label));
        }
        if matches!(&share.backend, Backend::Instances(addresses) if addresses.is_empty()) {
            return wrong(format!("the pool `{}` has no instance", share.label));
        }
    }
    // Braces would be taken for Caddy's own variables.
    let texts = [&route.id, &route.host, &route.prefix];
    if texts.iter().any(|text| text.contains(['{', '}', '"', ' ', '*']) && text.as_str() != "*") {
        return wrong(format!("the route `{}` has a host or prefix that a Caddy cannot be told", route.id));
    }
    Ok(())
}
