//! What runs now: each service with its instances, and what the proxy counted.

use std::io::{self, Write};

use landfall_model::api::{RouteView, StatusView};
use landfall_model::{
    CertificateStatus, EnvironmentName, InstanceState, InstanceStatus, Kind, LeavingPhase, ObservedService,
    ReleaseState, Runtime, ServiceName, Timestamp,
};

use crate::amount::{age, bytes, count, grouped, list};
use crate::line::Line;
use crate::open::{command, interrupted};
use crate::page::{Align, Page, Row};
use crate::receipt::requests;
use crate::style::{Ink, Style};
use crate::words;

/// Shows what runs in an environment, ages counted from `now`, and a transaction that is open if there is one. `wanted`
/// are the services of the manifest, where that is known: what runs beside them is marked.
///
/// # Errors
/// Any of the writer's.
pub fn status(
    out: &mut dyn Write,
    status: &StatusView,
    wanted: Option<&[ServiceName]>,
    now: Timestamp,
    style: &Style,
) -> io::Result<()> {
    let mut page = Page::new(style);
    page.line(Line::of(Ink::Strong, format!("{} in {}", status.app, status.environment)));
    if let Some(open) = &status.observed.open {
        page.blank();
        interrupted(&mut page, &status.environment, open, now);
    }
    if status.observed.services.is_empty() && status.observed.open.is_none() {
        page.blank();
        let deploy = command("deploy", &status.environment);
        let told = match status.observed.generation {
            0 => format!("nothing is deployed here yet: {deploy} does it"),
            _ => {
                let history = command("history", &status.environment);
                format!("nothing is deployed here: {deploy} does it, {history} tells what was done")
            }
        };
        page.flow(Line::from("  "), 2, Line::from(told));
    }
    for (name, observed) in &status.observed.services {
        page.blank();
        let route = status.routes.iter().find(|route| route.service == *name);
        service(&mut page, name, observed, route);
        instances(&mut page, observed, now);
        facts(&mut page, &status.environment, observed, route, now);
        if wanted.is_some_and(|wanted| !wanted.contains(name)) {
            let deploy = command("deploy", &status.environment);
            let told =
                format!("not in landfall.toml any more: {deploy} takes it away, and keeps its volumes");
            page.flow(Line::new(), 4, Line::of(Ink::Warn, told));
        }
    }
    page.write(out)
}

fn service(page: &mut Page<'_>, name: &ServiceName, observed: &ObservedService, route: Option<&RouteView>) {
    let active = observed.active.as_ref();
    let spec = active.and_then(|id| observed.releases.iter().find(|known| known.release.id == *id));
    let spec = spec.map(|known| &known.release.spec);
    let running = observed.instances.iter().filter(|instance| Some(&instance.release) == active);
    let all = running.clone().count();
    let healthy = running.filter(|instance| instance.state == InstanceState::Healthy).count();
    let wanted = match spec {
        // As many as its file says.
        Some(spec) if spec.runtime == Runtime::Compose => all,
        Some(spec) => spec.replicas as usize,
        None => healthy,
    };
    let (ink, what) = match (active, spec.map(|spec| spec.kind)) {
        (None, _) => (Ink::Warn, "does not serve".to_owned()),
        (Some(_), Some(Kind::Site)) => (Ink::Good, "files served by the proxy".to_owned()),
        (Some(_), Some(_)) if wanted == 0 => (Ink::Bad, "does not run".to_owned()),
        (Some(_), _) if healthy >= wanted => (Ink::Good, format!("{healthy} of {wanted} healthy")),
        (Some(_), _) if healthy > 0 => (Ink::Warn, format!("{healthy} of {wanted} healthy")),
        (Some(_), _) => (Ink::Bad, format!("0 of {wanted} healthy")),
    };
    let mark = match ink {
        Ink::Good => page.sign("✓", "ok"),
        Ink::Warn => "!",
        _ => page.sign("✗", "no"),
    };
    let first = Line::from("  ").with(ink, mark).and(" ");
    let mut line = Line::of(Ink::service(name.as_str()), name.as_str()).and("  ").with(ink, what);
    if let Some(active) = active {
        line = line.and("  ").with(Ink::Strong, active.version().to_string());
    }
    page.flow(first, 4, line);
    if let Some(route) = route {
        page.flow(Line::new(), 4, Line::of(Ink::Link, &route.url));
    }
}

fn instances(page: &mut Page<'_>, observed: &ObservedService, now: Timestamp) {
    let row = |instance: &InstanceStatus| {
        let retiring = observed
            .releases
            .iter()
            .any(|known| known.release.id == instance.release && known.state == ReleaseState::Retiring);
        let (ink, state) = match instance.leaving.map(|leaving| leaving.phase) {
            Some(LeavingPhase::Warm) => (Ink::Faint, "warm"),
            Some(LeavingPhase::Draining) => (Ink::Faint, "draining"),
            Some(LeavingPhase::Stopping) => (Ink::Faint, "stopping"),
            None if retiring => (Ink::Faint, "draining"),
            None => words::state(instance.state),
        };
        let up = instance.started.map(|started| format!("up {}", age(now, started)));
        let other = Some(&instance.release) != observed.active.as_ref();
        let project = observed.releases.iter().any(|known| {
            known.release.id == instance.release && known.release.spec.runtime == Runtime::Compose
        });
        let name = instance.container.as_deref().filter(|_| project);
        let mut row = Row::new([
            Line::from(name.unwrap_or(instance.id.as_str())),
            Line::of(ink, state),
            Line::from(instance.address.as_deref().unwrap_or_default()),
            Line::of(Ink::Faint, instance.pid.map(|pid| format!("pid {pid}")).unwrap_or_default()),
            Line::from(up.unwrap_or_default()),
            Line::from(instance.memory.map(bytes).unwrap_or_default()),
        ]);
        if other || instance.leaving.is_some() {
            let until = instance.leaving.map(|leaving| format!(", until {} at most", leaving.until.minute()));
            let of = format!("of {}{}", instance.release.version(), until.unwrap_or_default());
            row = row.below(Line::of(Ink::Faint, of));
        }
        if let Some(drift) = &instance.drift {
            row = row.below(Line::of(Ink::Bad, drift));
        }
        if let Some(checks) = instance.checks.filter(|checks| checks.failed > 0) {
            let failed = format!("{} of its last {} health checks failed", checks.failed, checks.asked);
            row = row.below(Line::of(Ink::Warn, failed));
        }
        if instance.restarts > 0 {
            let last = instance.last_exit.as_ref();
            let last = last.map(|exit| format!(", last: {}, {} ago", words::exit(exit), age(now, exit.at)));
            let restarts = count(instance.restarts as usize, "restart");
            row = row.below(Line::of(Ink::Warn, format!("{restarts}{}", last.unwrap_or_default())));
        }
        row
    };
    let aligns =
        [Align::Left, Align::Left, Align::Left, Align::Left, Align::Right, Align::Right, Align::Flexible];
    page.table(4, &aligns, observed.instances.iter().map(row).collect());
}

/// What a person turned on, and how to turn it off.
fn by_hand(facts: &mut Vec<Line>, environment: &EnvironmentName, route: &RouteView) {
    if route.maintenance {
        facts.push(
            Line::of(Ink::Warn, "under maintenance: requests get 503 and its page")
                .with(Ink::Faint, format!("; {} ends it", command("maintenance off", environment))),
        );
    }
    if route.paused {
        let waiting = match route.held_now {
            0 => "paused: requests wait".to_owned(),
            1 => "paused: 1 request waits".to_owned(),
            waiting => format!("paused: {} requests wait", grouped(waiting)),
        };
        let unpause = command("unpause", environment);
        facts.push(Line::of(Ink::Warn, waiting).with(Ink::Faint, format!("; {unpause} lets them through")));
    }
}

/// Who shares the requests, and who finishes some.
fn shared(facts: &mut Vec<Line>, route: &RouteView) {
    if route.traffic.len() > 1 {
        let parts = route.traffic.iter().map(|(version, share)| format!("{share} % {version}"));
        facts.push(Line::from("requests go to ").with(Ink::Strong, list(&parts.collect::<Vec<_>>())));
    }
    for draining in &route.draining {
        let under_way = match draining.under_way {
            1 => "1 request".to_owned(),
            several => format!("{} requests", grouped(several)),
        };
        facts.push(Line::of(Ink::Faint, format!("{} finishes {under_way}", draining.version)));
    }
}

/// How long a certificate is good for, and what is wrong with it.
fn certificate(known: &CertificateStatus, now: Timestamp) -> Line {
    let issuer = known.issuer.as_deref().map(|issuer| format!(", by {issuer}")).unwrap_or_default();
    let (ink, text) = match known.days_left(now) {
        None if known.is_to_come() => {
            (Ink::Faint, "its certificate is made with the first handshake".to_owned())
        }
        None => (Ink::Bad, "no certificate yet".to_owned()),
        Some(days) if days < 0 => (Ink::Bad, format!("the certificate has expired{issuer}")),
        Some(0) => (Ink::Warn, format!("certificate good for less than a day{issuer}")),
        Some(days) => {
            let ink = if known.expires_soon(now) { Ink::Warn } else { Ink::Plain };
            let days = count(usize::try_from(days).unwrap_or_default(), "day");
            (ink, format!("certificate good for {days}{issuer}"))
        }
    };
    match &known.problem {
        Some(problem) => Line::of(ink, text).with(Ink::Warn, format!("; {problem}")),
        None => Line::of(ink, text),
    }
}

fn facts(
    page: &mut Page<'_>,
    environment: &EnvironmentName,
    observed: &ObservedService,
    route: Option<&RouteView>,
    now: Timestamp,
) {
    let mut facts = Vec::new();
    if let Some(route) = route {
        by_hand(&mut facts, environment, route);
        shared(&mut facts, route);
        facts.extend(route.certificate.as_ref().map(|known| certificate(known, now)));
        let ink = if route.requests.failed == 0 { Ink::Plain } else { Ink::Bad };
        facts.push(Line::of(ink, requests(&route.requests)));
        if route.held_now > 0 && !route.paused {
            facts.push(Line::of(Ink::Warn, format!("{} held right now", grouped(route.held_now))));
        }
    }
    if let Some(previous) = &observed.previous {
        let rollback = command("rollback", environment);
        facts.push(Line::of(Ink::Faint, format!("{rollback} goes back to {}", previous.version())));
    }
    for fact in facts {
        page.flow(Line::new(), 4, fact);
    }
}
