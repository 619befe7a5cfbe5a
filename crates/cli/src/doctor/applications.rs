//! What is thought of an application: open transactions, instances, and whether the proxy serves what was deployed.

use landfall_model::api::{RouteView, StatusView};
use landfall_model::{Finding, InstanceState, Kind, ObservedService, OpenTransaction, Release, ServiceName};

/// Restarts of one instance from which on it is said.
const RESTARTS: u32 = 3;

pub(super) fn findings(status: &StatusView) -> Vec<Finding> {
    let place = format!("{}/{}", status.app, status.environment);
    let mut findings: Vec<Finding> =
        status.observed.open.iter().filter_map(|open| left(&place, status, open)).collect();
    for (name, observed) in &status.observed.services {
        let route = status.routes.iter().find(|route| route.service == *name);
        findings.push(service(&place, name, observed, route));
    }
    findings
}

/// A transaction that nobody works on.
fn left(place: &str, status: &StatusView, open: &OpenTransaction) -> Option<Finding> {
    if open.running {
        return None;
    }
    let environment = &status.environment;
    Some(Finding::bad(
        place,
        format!("transaction {} was interrupted while it was at: {}", open.transaction, open.doing),
        format!("`landfall resume {environment}` finishes it, `landfall undo {environment}` takes it back"),
    ))
}

fn service(
    place: &str,
    name: &ServiceName,
    observed: &ObservedService,
    route: Option<&RouteView>,
) -> Finding {
    let subject = format!("{place}/{name}");
    let known = observed.releases.iter().map(|known| &known.release);
    let Some(release) = known.into_iter().find(|release| Some(&release.id) == observed.active.as_ref())
    else {
        return Finding::good(subject, "not deployed");
    };
    let running: Vec<_> = observed.instances.iter().filter(|one| one.release == release.id).collect();
    let healthy = running.iter().filter(|one| one.state == InstanceState::Healthy).count();
    let wanted = if release.spec.kind == Kind::Site { 0 } else { release.spec.replicas as usize };
    if healthy < wanted {
        let ill = running.iter().find(|one| one.state != InstanceState::Healthy);
        let ill = ill.map(|one| format!("; {} is the first that is not", one.id)).unwrap_or_default();
        let help = format!("`landfall logs {} {name}` shows what they print", release.environment);
        return Finding::bad(subject, format!("{healthy} of {wanted} instances are healthy{ill}"), help);
    }
    if let Some(drift) = drift(&subject, release, route) {
        return drift;
    }
    let restarts = running.iter().map(|one| one.restarts).max().unwrap_or(0);
    if restarts >= RESTARTS {
        let help = format!("`landfall logs {} {name}` shows why it ends", release.environment);
        return Finding::doubtful(subject, format!("an instance was started again {restarts} times"), help);
    }
    let count = if wanted == 0 { "files".to_owned() } else { format!("{wanted} healthy") };
    Finding::good(subject, format!("{count}, {}", release.id.version()))
}

/// What the proxy does other than what was deployed.
fn drift(subject: &str, release: &Release, route: Option<&RouteView>) -> Option<Finding> {
    let route = route?;
    let deployed = release.id.version().to_string();
    let again = format!("`landfall deploy {}` makes it so again", release.environment);
    if route.version.is_none() {
        return Some(Finding::bad(subject, format!("the proxy has no route to it at {}", route.url), again));
    }
    if !route.traffic.is_empty() && !route.traffic.contains_key(&deployed) {
        let others: Vec<&str> = route.traffic.keys().map(String::as_str).collect();
        let seen = format!("{} gets its requests, not {deployed}", others.join(", "));
        return Some(Finding::bad(subject, seen, again));
    }
    if route.maintenance {
        let help = format!("`landfall maintenance off {} {}` ends it", release.environment, route.service);
        return Some(Finding::doubtful(subject, "it is under maintenance", help));
    }
    if route.paused {
        let help = format!("`landfall unpause {} {}` ends it", release.environment, route.service);
        return Some(Finding::doubtful(
            subject,
            format!("it is paused, {} requests wait", route.held_now),
            help,
        ));
    }
    None
}
