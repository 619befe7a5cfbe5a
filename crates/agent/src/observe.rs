//! What this place looks like: the input of a plan, and what `status` shows.

use std::collections::BTreeMap;

use landfall_engine::lease::{LeaseStore as _, is_held};
use landfall_engine::{Way, shorter_way};
use landfall_model::api::{Draining, RouteView, StatusView};
use landfall_model::{
    AppName, CertificateStatus, Checks, EnvironmentName, Fault, InstanceStatus, Lease, Leaving, LeavingPhase,
    Observed, ObservedService, OpenTransaction, Release, ReleaseState, Requests, ServiceName, Spec,
    TakenRoute, Timestamp, percentages,
};
use landfall_proxy::{PoolStatus, RouteStatus};

use crate::host::LocalHost;
use crate::runtimes::{self, Instancing, Process};
use crate::state::{PlaceLease, Stay, TransactionRow};

/// What the proxy says of each backend, by address.
type Backends = BTreeMap<String, (bool, Option<Checks>)>;

impl LocalHost {
    /// The place as a plan sees it. `running` tells whether the agent works on an open transaction now. Blocks.
    pub(crate) fn observe(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
        running: bool,
        routes: &[RouteStatus],
    ) -> Result<Observed, Fault> {
        let known = self.state().environment(app, environment)?;
        let mut services: BTreeMap<ServiceName, ObservedService> = BTreeMap::new();
        for (name, row) in self.state().services(app, environment)? {
            let service = services.entry(name).or_default();
            service.active = row.active;
            service.previous = row.previous;
            service.boot_ms = row.boot_ms;
            service.stop_ms = row.stop_ms;
        }
        for known in self.state().releases(app, environment)? {
            // One whose files are gone after a failed deploy is nothing that a plan can use.
            if known.state != ReleaseState::Failed {
                services.entry(known.release.service().clone()).or_default().releases.push(known);
            }
        }
        let backends = backends(routes);
        for row in self.state().instances()? {
            if row.app == *app && row.environment == *environment {
                let service = services.entry(row.release.service().clone()).or_default();
                let release = service.releases.iter().map(|r| &r.release).find(|r| r.id == row.release);
                let backend = row.address.as_ref().and_then(|address| backends.get(address)).copied();
                let (healthy, asked) = backend.unzip();
                let leaving =
                    release.and_then(|release| leaving(row.stay, &release.spec, self.clock().now()));
                let all = instancing(release).status(self, &row, release, healthy);
                service.instances.extend(all.into_iter().map(|status| {
                    let asked = asked.flatten().filter(|_| status.address.is_some());
                    InstanceStatus { leaving, checks: status.checks.or(asked), ..status }
                }));
            }
        }
        // What is only remembered by its name is not there: taken away, or taken back with nothing before it.
        services.retain(|_, service| {
            service.active.is_some() || !service.releases.is_empty() || !service.instances.is_empty()
        });
        Ok(Observed {
            generation: known.generation,
            services,
            taken: self.taken(app, environment)?,
            open: self.open_transaction(app, environment, running)?,
            newest_moment: known.newest_moment,
            projects: Vec::new(),
            proxies: vec![self.caddies().observed()],
        })
    }

    /// Routes that active releases of other applications and environments hold.
    fn taken(&self, app: &AppName, environment: &EnvironmentName) -> Result<Vec<TakenRoute>, Fault> {
        let active = self.state().releases_in(ReleaseState::Active)?;
        let others = active.into_iter().filter(|r| r.app != *app || r.environment != *environment);
        Ok(others
            .filter_map(|release| {
                let service = release.service().clone();
                let route = release.spec.route?;
                Some(TakenRoute { app: release.app, environment: release.environment, service, route })
            })
            .collect())
    }

    /// The transaction that has begun and not ended.
    pub(crate) fn open_transaction(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
        running: bool,
    ) -> Result<Option<OpenTransaction>, Fault> {
        let open = self.state().open_transactions()?;
        let Some(row) = open.into_iter().find(|t| t.app == *app && t.environment == *environment) else {
            return Ok(None);
        };
        let path = self.dir().journal(app, environment, row.number);
        let now = self.clock().now();
        let lease =
            PlaceLease { state: self.state(), app, environment }.load()?.filter(|lease| is_held(lease, now));
        let Some(journal) = landfall_engine::read(self.files(), &path)? else {
            return Ok(Some(self.not_begun(&row, running, lease)?));
        };
        Ok(Some(OpenTransaction {
            transaction: row.number,
            kind: journal.plan.kind,
            begun: journal.begun,
            running,
            done: journal.done(),
            steps: journal.steps.len(),
            doing: journal.doing(),
            switched: shorter_way(&journal) == Way::Resume,
            lease,
        }))
    }

    /// The releases that the plan of an open transaction speaks of, which `resume` or `undo` needs.
    pub(crate) fn open_releases(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
    ) -> Result<Vec<Release>, Fault> {
        let mut releases = Vec::new();
        for row in self.state().open_transactions()? {
            if row.app == *app && row.environment == *environment {
                let path = self.dir().journal(app, environment, row.number);
                let journal = landfall_engine::read(self.files(), &path)?;
                releases.extend(journal.into_iter().flat_map(|journal| journal.plan.releases.into_values()));
            }
        }
        Ok(releases)
    }

    /// A transaction whose journal has not even its first record: nothing was done.
    fn not_begun(
        &self,
        row: &TransactionRow,
        running: bool,
        lease: Option<Lease>,
    ) -> Result<OpenTransaction, Fault> {
        let history = self.state().history(&row.app, &row.environment, 1)?;
        let line =
            history.first().ok_or_else(|| Fault::internal("an open transaction is not in the history"))?;
        Ok(OpenTransaction {
            transaction: row.number,
            kind: line.kind,
            begun: line.begun,
            running,
            done: 0,
            steps: 0,
            doing: "begins".to_owned(),
            switched: false,
            lease,
        })
    }

    /// All of what `status` shows. Blocks.
    pub(crate) fn status_view(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
        running: bool,
    ) -> Result<StatusView, Fault> {
        let now = self.wait_for(self.routes_now());
        let observed = self.observe(app, environment, running, &now)?;
        let active = observed.services.values().filter_map(|service| {
            let id = service.active.as_ref()?;
            service.releases.iter().map(|r| &r.release).find(|release| release.id == *id)
        });
        let certificates = self.certificates();
        let routes = active.filter_map(|release| route_view(release, &now, &certificates)).collect();
        Ok(StatusView { app: app.clone(), environment: environment.clone(), observed, routes })
    }

    /// How the proxy sees the route of a release; `None` for one without a route. Blocks.
    pub(crate) fn route_of(&self, release: &Release) -> Result<Option<RouteView>, Fault> {
        Ok(route_view(release, &self.wait_for(self.routes_now()), &self.certificates()))
    }

    /// What the proxy says of its certificates; none while it does not answer. Blocks.
    fn certificates(&self) -> Vec<CertificateStatus> {
        self.wait_for(self.proxy().client().certificates()).unwrap_or_default()
    }
}

/// What an instance is made of; of a release that is not known, a process.
fn instancing(release: Option<&Release>) -> &'static dyn Instancing {
    release.map_or(&Process, runtimes::of)
}

/// How far an instance is on its way out.
fn leaving(stay: Stay, spec: &Spec, now: Timestamp) -> Option<Leaving> {
    let drained = |leaves: Timestamp| leaves.plus(spec.drain.duration());
    let (phase, until) = match stay {
        Stay::On => return None,
        Stay::Until(leaves) if now < leaves => (LeavingPhase::Warm, leaves),
        Stay::Until(leaves) => (LeavingPhase::Draining, drained(leaves)),
        Stay::Ending(leaves) => (LeavingPhase::Stopping, drained(leaves).plus(spec.stop.grace.duration())),
    };
    Some(Leaving { phase, until })
}

fn backends(routes: &[RouteStatus]) -> Backends {
    let all = routes.iter().flat_map(|route| &route.backends);
    all.map(|backend| (backend.address.to_string(), (backend.healthy, backend.checks))).collect()
}

fn route_view(
    release: &Release,
    routes: &[RouteStatus],
    certificates: &[CertificateStatus],
) -> Option<RouteView> {
    let route = release.spec.route.as_ref()?;
    let id = release.route_id();
    let known = routes.iter().find(|route| route.config.id == id);
    let label = known.and_then(|known| Some(known.config.current()?.label.clone()));
    let pool = known.and_then(|known| known.pools.iter().find(|pool| Some(&pool.label) == label.as_ref()));
    let count = |healthy_only: bool| {
        let backends = known.map(|known| known.backends.as_slice()).unwrap_or_default();
        u32::try_from(backends.iter().filter(|b| !healthy_only || b.healthy).count()).unwrap_or(u32::MAX)
    };
    Some(RouteView {
        service: release.service().clone(),
        url: route.url(),
        version: label,
        held_now: known.map_or(0, |known| known.held_now),
        maintenance: known.is_some_and(|known| known.maintenance),
        paused: known.is_some_and(|known| known.paused),
        certificate: route
            .tls
            .as_ref()
            .and_then(|_| certificates.iter().find(|known| known.host == route.host).cloned()),
        traffic: known.map(traffic).unwrap_or_default(),
        draining: known.map(draining).unwrap_or_default(),
        healthy: (count(true), count(false)),
        requests: pool.map_or_else(Requests::default, |pool| Requests {
            served: pool.served,
            failed: pool.failed,
            held: pool.held,
            p50_ms: pool.p50_ms,
            p99_ms: pool.p99_ms,
        }),
    })
}

/// The share of the requests that each pool gets, in percent.
fn traffic(known: &RouteStatus) -> BTreeMap<String, u32> {
    let serving: Vec<&PoolStatus> = known.pools.iter().filter(|pool| pool.weight > 0).collect();
    let weights: Vec<u32> = serving.iter().map(|pool| pool.weight).collect();
    serving.iter().map(|pool| pool.label.clone()).zip(percentages(&weights)).collect()
}

/// What gets no more requests and still has some under way.
fn draining(known: &RouteStatus) -> Vec<Draining> {
    let gone = known.pools.iter().filter(|pool| pool.weight == 0 && pool.inflight > 0);
    gone.map(|pool| Draining { version: pool.label.clone(), under_way: pool.inflight }).collect()
}
