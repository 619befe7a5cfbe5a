//! What no plan is made for, and the small questions to what was observed that all plans ask.

use landfall_model::{
    AppName, Certificate, EnvironmentName, Fault, Feature, Observed, ObservedProxy, ObservedService,
    PlanKind, Proxy, Release, ReleaseId, ReleaseState, Route, ServiceName, Sticky, Strategy, Version,
};

/// Refuses while a transaction runs; one that is open but at rest is finished or undone by whoever asks next.
pub(crate) fn refuse_running(
    app: &AppName,
    environment: &EnvironmentName,
    observed: &Observed,
) -> Result<(), Fault> {
    let Some(open) = observed.open.as_ref().filter(|open| open.running) else { return Ok(()) };
    let kind = match open.kind {
        PlanKind::Deploy => "deploy",
        PlanKind::Rollback => "rollback",
        PlanKind::Down => "down",
    };
    let holder = open.lease.as_ref().map_or_else(String::new, |lease| format!(" by {}", lease.holder));
    Err(Fault::refused(format!(
        "{kind} {} of `{app}` in `{environment}`{holder} has been running since {} and is at step {} of {}: {}",
        open.transaction,
        open.begun,
        (open.done + 1).min(open.steps.max(1)),
        open.steps,
        open.doing
    ))
    .help(format!("wait until it has ended (`landfall status {environment}` shows it), then try again")))
}

/// Refuses what the proxy of a route cannot do, and a `canary` where there are no requests to compare.
pub(crate) fn refuse_unable(release: &Release, observed: &Observed) -> Result<(), Fault> {
    let service = release.service();
    let Some(route) = &release.spec.route else {
        if release.spec.strategy != Strategy::Canary {
            return Ok(());
        }
        return Err(Fault::refused(format!(
            "`{service}` cannot be released by `canary`: it has no route, so that there are no requests to compare"
        ))
        .help("use `strategy = \"rolling\"` or `strategy = \"blue-green\"`"));
    };
    // Of a Caddy that was never spoken to, the one that is installed on the host tells most.
    let alike = |known: &&ObservedProxy| {
        matches!((&known.proxy, &route.proxy), (Proxy::Caddy { .. }, Proxy::Caddy { .. }))
    };
    let mut proxies = observed.proxies.iter();
    let proxy = proxies.clone().find(|known| known.proxy == route.proxy).or_else(|| proxies.find(alike));
    for (feature, asks) in asked(release, route) {
        let lacks = proxy.and_then(|proxy| proxy.lacks.iter().find(|lack| lack.feature == feature));
        if let Some(lack) = lacks {
            return Err(
                Fault::refused(format!("`{service}` {asks}: {}", lack.why)).help(lack.instead.clone())
            );
        }
    }
    Ok(())
}

/// What a release asks of its proxy beyond requests and answers, and what it asks it for.
fn asked(release: &Release, route: &Route) -> Vec<(Feature, &'static str)> {
    let canary = release.spec.canary.as_ref().filter(|_| release.spec.strategy == Strategy::Canary);
    let mut asked = vec![(Feature::Routes, "cannot be served")];
    if route.http.proxy_protocol {
        asked.push((Feature::ProxyProtocol, "asks for the PROXY protocol"));
    }
    if let Some(Certificate::Acme(acme)) = route.tls.as_ref().map(|tls| &tls.certificate)
        && acme.on_demand.is_some()
    {
        asked.push((Feature::OnDemandCertificates, "asks for certificates on demand"));
    }
    if let Some(canary) = canary {
        asked.push((Feature::Weights, "is released by `canary`, which needs traffic splitting with counts"));
        match canary.sticky {
            Some(Sticky::Cookie { .. }) => {
                asked.push((Feature::StickyCookie, "asks for a canary that is sticky by cookie"));
            }
            Some(Sticky::Header { .. }) => {
                asked.push((Feature::StickyHeader, "asks for a canary that is sticky by header"));
            }
            None => {}
        }
    }
    asked
}

/// Refuses a version that the place has seen, or that is not later than all it has seen.
pub(crate) fn refuse_used(version: &Version, observed: &Observed) -> Result<(), Fault> {
    let Some(newest) = observed.newest_moment.as_deref().filter(|newest| version.moment() <= *newest) else {
        return Ok(());
    };
    Err(Fault::refused(format!(
        "version {version} is not later than {newest}, the newest moment that a version here carries"
    ))
    .help("a version is never used twice: make a new plan, which gets a later one"))
}

/// The release of a service by its name.
pub(crate) fn release_of<'a>(service: &'a ObservedService, id: &ReleaseId) -> Option<&'a Release> {
    service.releases.iter().map(|known| &known.release).find(|release| release.id == *id)
}

/// The release of a service that serves; `None` when none does.
pub(crate) fn active_of<'a>(
    name: &ServiceName,
    service: &'a ObservedService,
) -> Result<Option<&'a Release>, Fault> {
    let Some(id) = service.active.as_ref() else { return Ok(None) };
    release_of(service, id).map(Some).ok_or_else(|| {
        Fault::internal(format!("the state says that `{name}` runs {id}, a release which it does not know"))
    })
}

/// Whether a release can serve again: it did once, and its files are there.
pub(crate) fn can_return(state: ReleaseState) -> bool {
    matches!(state, ReleaseState::Kept | ReleaseState::Retiring | ReleaseState::Active)
}

/// Fails for the first of `services` that the place does not have.
pub(crate) fn refuse_unknown(
    services: &[ServiceName],
    environment: &EnvironmentName,
    observed: &Observed,
) -> Result<(), Fault> {
    let Some(unknown) = services.iter().find(|name| !observed.services.contains_key(*name)) else {
        return Ok(());
    };
    let known: Vec<String> = observed.services.keys().map(|name| format!("`{name}`")).collect();
    let help = if known.is_empty() {
        format!("nothing is deployed in `{environment}`")
    } else {
        format!("in `{environment}` there are {}", known.join(", "))
    };
    Err(Fault::refused(format!("there is no service `{unknown}` in `{environment}`")).help(help))
}
