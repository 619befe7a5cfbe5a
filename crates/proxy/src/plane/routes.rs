//! Making, replacing and removing routes: checked, written down, published, in this order.

use std::net::SocketAddr;
use std::sync::Arc;

use landfall_fx::RealFiles;
use landfall_model::overlap;
use landfall_tls::{Refusal, Wanted};
use tokio::task::JoinSet;

use super::{Book, Live, LivePool, Plane, Refused};
use crate::applications::Application;
use crate::data::worker::Command;
use crate::limits::MAX_ROUTES;
use crate::page::Pages;
use crate::secure::hsts;
use crate::state::choice::Choice;
use crate::state::pool::{BackendState, Backends};
use crate::state::route::Route;
use crate::state::table::{Entry, PoolEntry, Table};
use crate::store::{self, Kept, Marks};
use crate::{Backend, Pool, RouteConfig, health};

impl Plane {
    /// Serves the routes of the file. What cannot be served becomes a note.
    pub(crate) fn restore(&self, routes: Vec<Kept>) {
        let mut restored = Vec::new();
        for Kept { mut config, marks } in routes {
            config.normalize();
            match config.check().map_err(Refused::Wrong).and_then(|()| self.clash(&config)) {
                Ok(()) => {
                    let pages = Pages::load(&config.http).unwrap_or_else(|problem| {
                        self.note(format!("{problem}: the route `{}` has the usual pages", config.id));
                        Pages::default()
                    });
                    restored.push((config.id.clone(), config.addresses().collect::<Vec<_>>(), marks));
                    self.install(config, pages);
                }
                Err(refused) => self.note(format!("a route was left out: {}", refused.message())),
            }
        }
        self.publish();
        for (id, _, marks) in &restored {
            self.resume(id, marks);
        }
        // Last: a request that came in before would not find what it is to wait for.
        restored.iter().flat_map(|(_, listen, _)| listen).for_each(|listen| self.listen_or_note(*listen));
    }

    /// Makes or replaces a route.
    pub(crate) async fn put(&self, mut config: RouteConfig) -> Result<(), Refused> {
        let _writing = self.writing.lock().await;
        config.normalize();
        config.check().map_err(Refused::Wrong)?;
        self.clash(&config)?;
        for share in &config.pools {
            if let Backend::Files { root } = &share.pool.backend
                && !root.is_dir()
            {
                return Err(Refused::Clash(format!("the folder {} is not there", root.display())));
            }
        }
        let http = config.http.clone();
        let pages = tokio::task::spawn_blocking(move || Pages::load(&http)).await;
        let pages = pages.map_err(|error| Refused::Machine(error.to_string()))?.map_err(Refused::Clash)?;
        self.check_certificate(&config).await?;
        let open = |listen| self.open(listen).map(|sockets| (listen, sockets)).map_err(Refused::from);
        let sockets = config.addresses().map(open).collect::<Result<Vec<_>, _>>()?;
        let mut routes = self.kept();
        let known = routes.extract_if(.., |kept| kept.config.id == config.id).next();
        let marks = Marks { held_until: None, ..known.map(|kept| kept.marks).unwrap_or_default() };
        routes.push(Kept { config: config.clone(), marks });
        self.save(routes).await?;
        let told = config.clone();
        let retired = self.install(config, pages);
        self.publish();
        sockets.into_iter().for_each(|(listen, sockets)| self.listen(listen, sockets));
        self.finish(&told.id, &retired);
        self.repeat(async |before| before.put_route(&told).await).await;
        Ok(())
    }

    /// Takes a route away.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), Refused> {
        let _writing = self.writing.lock().await;
        if !self.book.borrow().live.contains_key(id) {
            self.book.borrow_mut().known.remove(id);
            return Ok(());
        }
        let mut routes = self.kept();
        routes.retain(|kept| kept.config.id != id);
        self.save(routes).await?;
        let gone = self.book.borrow_mut().live.remove(id);
        self.publish();
        if let Some(gone) = gone {
            gone.route.set_paused(false);
            gone.route.set_maintenance(false);
            gone.route.switched(gone.route.next_epoch(), Vec::new());
            self.finish(id, &gone.backends().cloned().collect::<Vec<_>>());
        }
        self.repeat(async |before| before.remove_route(id).await).await;
        Ok(())
    }

    /// All routes as they are written down.
    pub(crate) fn kept(&self) -> Vec<Kept> {
        let kept = |live: &Live| Kept {
            config: (*live.config).clone(),
            marks: Marks {
                paused: live.route.paused(),
                maintenance: live.route.in_maintenance(),
                held_until: live.held_until,
            },
        };
        self.each(kept)
    }

    fn clash(&self, config: &RouteConfig) -> Result<(), Refused> {
        let book = self.book.borrow();
        let both =
            |plain: SocketAddr, secure: Option<SocketAddr>| secure.filter(|secure| overlap(plain, *secure));
        let others = || book.live.values().map(|live| &live.config).filter(|other| other.id != config.id);
        if let Some(address) = both(config.listen, config.secure()) {
            return Err(Refused::Wrong(format!(
                "{address} would be for both HTTP and HTTPS of the route `{}`",
                config.id
            )));
        }
        for other in others() {
            let mixed = both(other.listen, config.secure()).or_else(|| both(config.listen, other.secure()));
            if let Some(address) = mixed {
                return Err(Refused::Clash(format!(
                    "{address} would be for both HTTP and HTTPS: the route `{}` has it for the other",
                    other.id
                )));
            }
        }
        let shared = |other: &RouteConfig| {
            other.addresses().any(|one| config.addresses().any(|own| overlap(own, one)))
        };
        let differs = |other: &&Arc<RouteConfig>| other.http.proxy_protocol != config.http.proxy_protocol;
        if let Some(other) = others().filter(differs).find(|other| shared(other)) {
            return Err(Refused::Clash(format!(
                "the route `{}` also answers there, on {}, and says otherwise of the PROXY protocol: all routes of an \
                 address must agree",
                other.id, other.listen
            )));
        }
        let same = |other: &RouteConfig| {
            let secure = other.secure().zip(config.secure());
            (overlap(other.listen, config.listen) || secure.is_some_and(|(one, other)| overlap(one, other)))
                && (&other.host, &other.prefix) == (&config.host, &config.prefix)
        };
        let other = book.live.values().find(|live| live.config.id != config.id && same(&live.config));
        if let Some(other) = other {
            return Err(Refused::Clash(format!(
                "{} on {} with the prefix {} already belongs to the route `{}`, which listens on {}",
                config.host, config.listen, config.prefix, other.config.id, other.config.listen
            )));
        }
        if book.live.len() >= MAX_ROUTES && !book.live.contains_key(&config.id) {
            return Err(Refused::Clash(format!("there are {MAX_ROUTES} routes, which is the limit")));
        }
        Ok(())
    }

    /// Says whether the route can have the certificate that it wants.
    async fn check_certificate(&self, config: &RouteConfig) -> Result<(), Refused> {
        let Some(wanted) = config.wanted() else {
            return Ok(());
        };
        let others = self.each(|live| live.config.wanted().filter(|_| live.config.id != config.id));
        let others: Vec<Wanted> = others.into_iter().flatten().collect();
        let certificates = Arc::clone(&self.certificates);
        // It may read files, or make the authority of this host.
        let checked = tokio::task::spawn_blocking(move || certificates.check(&wanted, &others)).await;
        checked.map_err(|error| Refused::Machine(error.to_string()))?.map_err(|refusal| match refusal {
            Refusal::Wrong(message) => Refused::Wrong(message),
            Refusal::Clash(message) => Refused::Clash(message),
        })
    }

    /// Makes the certificates of all routes those that are served, and their applications those that are asked.
    fn publish_certificates(&self) {
        let asked = self.each(|live| {
            let application = Application { pools: live.weighted(), protocol: live.config.http.protocol };
            live.config.tls.as_ref().map(|_| (live.config.id.clone(), application))
        });
        self.applications.replace(asked.into_iter().flatten().collect());
        let wanted: Vec<Wanted> = self.each(|live| live.config.wanted()).into_iter().flatten().collect();
        self.certificates.want(&wanted);
    }

    pub(super) async fn save(&self, routes: Vec<Kept>) -> Result<(), Refused> {
        if self.retired.get() {
            return Ok(());
        }
        let path = self.config.clone();
        let saved = tokio::task::spawn_blocking(move || store::save(&RealFiles, &path, routes)).await;
        let saved = saved.map_err(std::io::Error::other).flatten();
        saved.map_err(|error| {
            Refused::Machine(format!("the routes cannot be written to {}: {error}", self.config.display()))
        })
    }

    /// Puts a route into the book; gives the backends that it no longer has. Not yet published.
    fn install(&self, config: RouteConfig, pages: Pages) -> Vec<Arc<BackendState>> {
        let workers = self.workers.len();
        let id = config.id.clone();
        let route = self
            .book
            .borrow_mut()
            .known
            .entry(id.clone())
            .or_insert_with(|| Arc::new(Route::new(workers)))
            .clone();
        let mut book = self.book.borrow_mut();
        let old = book.live.remove(&config.id);
        let stats = route.become_pools(config.pools.iter().map(|share| share.pool.label.as_str()));
        let pools: Vec<LivePool> = stats
            .into_iter()
            .zip(&config.pools)
            .map(|(stats, share)| {
                let backends = Arc::new(backends(&share.pool, old.as_ref(), workers));
                LivePool { stats, backends }
            })
            .collect();
        let mut checks = JoinSet::new();
        for backend in pools.iter().flat_map(|pool| pool.backends.instances()) {
            checks.spawn_local(health::watch(
                Arc::clone(backend),
                config.health.clone(),
                config.http.protocol,
                Arc::clone(&route),
            ));
        }
        let live = Live {
            epoch: route.next_epoch(),
            config: Arc::new(config),
            route,
            pools,
            pages: Arc::new(pages),
            held_until: None,
            resumed: None,
            _checks: checks,
        };
        let gone = |backend: &&Arc<BackendState>| !live.backends().any(|kept| kept.number == backend.number);
        let retired = old.iter().flat_map(Live::backends).filter(gone).cloned().collect();
        book.live.insert(id, live);
        retired
    }

    /// Gives every worker a new table, then ends the epochs before it: from here on no request goes to an old pool.
    fn publish(&self) {
        self.publish_certificates();
        let book = self.book.borrow();
        for (number, worker) in self.workers.iter().enumerate() {
            let entries = book.live.values().map(|live| entry(live, number));
            worker.table.store(Arc::new(Table::new(entries)));
        }
        for live in book.live.values().filter(|live| live.route.precedes(live.epoch)) {
            live.route.switched(live.epoch, live.weighted());
        }
    }

    /// Lets go of what no route needs any more.
    fn finish(&self, id: &str, retired: &[Arc<BackendState>]) {
        retired.iter().for_each(|backend| backend.retire());
        let numbers: Arc<[u64]> = retired.iter().map(|backend| backend.number).collect();
        {
            let Book { live, known, leaving, .. } = &mut *self.book.borrow_mut();
            // What has just begun to leave may be about to get one more request.
            leaving.retain(|(_, backend)| backend.inflight() > 0);
            leaving.extend(retired.iter().map(|backend| (id.to_owned(), Arc::clone(backend))));
            known.retain(|id, route| live.contains_key(id) || !route.idle());
        }
        for worker in &self.workers {
            let _ = worker.commands.send(Command::Forget(Arc::clone(&numbers)));
        }
        self.close_unused();
    }
}

/// The route as a worker sees it.
fn entry(live: &Live, worker: usize) -> Entry {
    let pool = |pool: &LivePool| PoolEntry {
        label: pool.stats.label.as_str().into(),
        stats: Arc::clone(&pool.stats),
        backends: Arc::clone(&pool.backends),
    };
    Entry {
        config: Arc::clone(&live.config),
        epoch: live.epoch,
        worker,
        route: Arc::clone(&live.route),
        pools: live.pools.iter().map(pool).collect(),
        choice: Choice::new(&live.config),
        pages: Arc::clone(&live.pages),
        hsts: hsts(live.config.tls.as_ref()),
    }
}

/// The backends of a pool. One of the same pool keeps its health and connections; one of another pool at the same
/// address is another backend.
fn backends(pool: &Pool, old: Option<&Live>, workers: usize) -> Backends {
    let addresses = match &pool.backend {
        Backend::Files { root } => return Backends::Files(root.clone()),
        Backend::Instances { addresses } => addresses,
    };
    let before = old.and_then(|old| old.pools.iter().find(|before| before.stats.label == pool.label));
    let before = before.map_or(&[][..], |before| before.backends.instances());
    let state = |address: &SocketAddr| {
        let known = before.iter().find(|backend| backend.address == *address);
        known.cloned().unwrap_or_else(|| Arc::new(BackendState::new(*address, workers)))
    };
    Backends::Instances(addresses.iter().map(state).collect())
}
