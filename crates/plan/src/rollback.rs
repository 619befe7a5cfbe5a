//! The plan that makes earlier releases serve again: the kept ones, as they are, under their own versions.

use landfall_model::{
    AppName, Change, ChangeKind, EnvironmentName, Fault, LeavingPhase, Observed, ObservedService, Plan,
    PlanKind, Release, ReleaseId, ReleaseState, ServiceName, Version,
};

use crate::deploy::line;
use crate::draft::{Draft, Line, Moving};
use crate::drift::drift;
use crate::moves::Move;
use crate::refusals::{active_of, can_return, refuse_running, refuse_unknown, release_of};

/// Which releases are to serve again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollbackRequest {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub environment: EnvironmentName,
    /// Which services. Empty: with `to` all that have it; without, those that the newest version of the application
    /// brought, so that it takes back what was deployed last and nothing before it.
    pub services: Vec<ServiceName>,
    /// The version to go to; `None` for the one that served before.
    pub to: Option<Version>,
}

/// Plans the way back. The plan's version is the newest that serves again.
///
/// # Errors
/// A refusal: a transaction that runs, no earlier release, a version that is not kept, a database schema that the
/// earlier release does not know.
pub fn rollback(request: &RollbackRequest, observed: &Observed) -> Result<Plan, Fault> {
    refuse_running(&request.app, &request.environment, observed)?;
    refuse_unknown(&request.services, &request.environment, observed)?;
    let mut lines = Vec::new();
    let mut moving = Vec::new();
    let mut there = false;
    for (name, service) in &observed.services {
        let named = request.services.contains(name);
        if !named && !request.services.is_empty() {
            continue;
        }
        let Some(active) = active_of(name, service)? else {
            if named {
                return Err(Fault::refused(format!("`{name}` does not serve, so that it cannot go back"))
                    .help("`landfall deploy` makes it serve"));
            }
            continue;
        };
        match target(request, observed, service, active) {
            Ok(target) if target.id == active.id => {
                there = true;
                lines.push(stays(active, "serves already"));
            }
            Ok(target) => {
                refuse_schema(active, target)?;
                lines.push(Line::Moves(moving.len()));
                moving.push(going_back(service, active, target));
            }
            Err(why) if named => return Err(why.fault(name, service)),
            Err(why) => lines.push(stays(active, &why.note())),
        }
    }
    if moving.is_empty() && !there {
        return Err(nowhere(request, observed));
    }
    let newest = moving.iter().map(|it| it.shift.new.id.version().clone()).max();
    let active =
        observed.services.values().filter_map(|s| s.active.as_ref()).map(|id| id.version().clone()).max();
    let version = newest.or_else(|| request.to.clone()).or(active);
    let draft = Draft {
        kind: PlanKind::Rollback,
        app: &request.app,
        environment: &request.environment,
        version: version.ok_or_else(|| nowhere(request, observed))?,
        observed,
    };
    draft.finish(lines, moving, &[], Vec::new())
}

/// Why a service has nowhere to go.
enum Stuck {
    /// It was not changed by the newest version.
    Older,
    /// It has no release that served before.
    First,
    /// The version asked for is not kept.
    Unknown(Version),
}

impl Stuck {
    fn note(&self) -> String {
        match self {
            Self::Older => "stays: the newest version did not change it; name it to roll it back".to_owned(),
            Self::First => "stays: it has no earlier release".to_owned(),
            Self::Unknown(version) => format!("stays: {version} is not kept for it"),
        }
    }

    fn fault(&self, name: &ServiceName, service: &ObservedService) -> Fault {
        match self {
            Self::Older | Self::First => {
                Fault::refused(format!("`{name}` has no earlier release to go back to"))
                    .help("deploy the earlier source again, or take the service away with `landfall down`")
            }
            Self::Unknown(version) => {
                Fault::refused(format!("version {version} of `{name}` is not kept")).help(kept(service))
            }
        }
    }
}

fn kept(service: &ObservedService) -> String {
    let mut versions: Vec<String> =
        candidates(service).map(|release| release.id.version().to_string()).collect();
    versions.reverse();
    if versions.is_empty() { "none is kept".to_owned() } else { format!("kept are {}", versions.join(", ")) }
}

/// The releases that can serve again, oldest first.
fn candidates(service: &ObservedService) -> impl Iterator<Item = &Release> {
    service.releases.iter().filter(|known| can_return(known.state)).map(|known| &known.release)
}

fn target<'a>(
    request: &RollbackRequest,
    observed: &Observed,
    service: &'a ObservedService,
    active: &'a Release,
) -> Result<&'a Release, Stuck> {
    if let Some(version) = &request.to {
        let found = candidates(service).find(|release| release.id.version() == version);
        return found.ok_or_else(|| Stuck::Unknown(version.clone()));
    }
    let newest =
        observed.services.values().filter_map(|other| other.active.as_ref()).map(ReleaseId::version).max();
    if request.services.is_empty() && Some(active.id.version()) != newest {
        return Err(Stuck::Older);
    }
    // What served before may have been marked failed since, by a deploy that was taken back: then the newest of the
    // rest. Never a newer one: going back twice goes further back, and never to what was just left.
    let state = |id: &ReleaseId| {
        service.releases.iter().find(|known| known.release.id == *id).map(|known| known.state)
    };
    let previous = service.previous.as_ref().filter(|id| {
        **id != active.id && matches!(state(id), Some(ReleaseState::Kept | ReleaseState::Retiring))
    });
    previous
        .and_then(|id| release_of(service, id))
        .or_else(|| {
            let older = candidates(service).filter(|release| release.id.version() < active.id.version());
            older.max_by_key(|release| release.id.version())
        })
        .ok_or(Stuck::First)
}

fn stays(active: &Release, note: &str) -> Line {
    let mut line = line(active, Some(active), Change::Unchanged);
    line.notes.push(note.to_owned());
    Line::Stays(Box::new(line))
}

fn going_back<'a>(service: &ObservedService, active: &'a Release, target: &Release) -> Moving<'a> {
    let ill = drift(service, active).map(|what| ChangeKind::Drift { what });
    let reasons = [ChangeKind::Rollback].into_iter().chain(ill).collect();
    let mut line = line(target, Some(active), Change::Update { reasons });
    let shift = Move::between(Some(active), target.clone(), Some(service), false);
    line.notes.extend(shift.standing.waiting.then(|| waiting(service, target)));
    Moving { shift, line }
}

/// That all instances of a release are there still, and for how long.
fn waiting(service: &ObservedService, target: &Release) -> String {
    let version = target.id.version();
    let of_target = service.instances.iter().filter(|instance| instance.release == target.id);
    let until = of_target.filter_map(|instance| instance.leaving).map(|leaving| match leaving.phase {
        LeavingPhase::Warm => Some(leaving.until),
        LeavingPhase::Draining | LeavingPhase::Stopping => None,
    });
    match until.min().flatten() {
        Some(until) => format!("{version} is warm until {}: instant", until.minute()),
        None => format!("{version} runs still: instant"),
    }
}

fn refuse_schema(active: &Release, target: &Release) -> Result<(), Fault> {
    if active.schema == target.schema {
        return Ok(());
    }
    let schema = |release: &Release| release.schema.clone().unwrap_or_else(|| "none".to_owned());
    Err(Fault::refused(format!(
        "{} works on database schema {}, the database of `{}` is at {}",
        target.id.version(),
        schema(target),
        active.service(),
        schema(active)
    ))
    .help("migrate the database back first, or deploy a release that knows its schema"))
}

fn nowhere(request: &RollbackRequest, observed: &Observed) -> Fault {
    let environment = &request.environment;
    let serves = observed.services.iter().filter(|(_, service)| service.active.is_some());
    match &request.to {
        _ if serves.clone().next().is_none() => {
            Fault::refused(format!("nothing of `{}` serves in `{environment}`", request.app))
                .help(format!("`landfall deploy {environment}` deploys it"))
        }
        Some(version) => {
            let kept: Vec<String> =
                serves.map(|(name, service)| format!("of `{name}` {}", kept(service))).collect();
            Fault::refused(format!("no service in `{environment}` has a release {version}"))
                .help(kept.join("; "))
        }
        None => Fault::refused(format!("there is no earlier release in `{environment}` to go back to"))
            .help("deploy the earlier source again"),
    }
}
