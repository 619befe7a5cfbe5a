//! Puts the moves of all services into one plan: every new release is ready before the first takes over, every one
//! that took over is read back before the first old one goes.

use std::collections::{BTreeMap, BTreeSet};

use landfall_model::{
    AppName, EnvironmentName, Fault, InstanceState, InstanceStatus, Observed, ObservedService, Plan,
    PlanKind, Release, ReleaseId, ReleaseState, ServiceName, ServicePlan, Step, Version,
};

use crate::moves::{Move, Standing, runs};
use crate::routes::{Leaving, hand_over};

/// The version of the plan's format.
const FORMAT: u32 = 1;

/// What all plans have in common.
pub(crate) struct Draft<'a> {
    pub(crate) kind: PlanKind,
    pub(crate) app: &'a AppName,
    pub(crate) environment: &'a EnvironmentName,
    pub(crate) version: Version,
    pub(crate) observed: &'a Observed,
}

/// One service that moves, with its line but for the forecast, which is known once all moves are.
pub(crate) struct Moving<'a> {
    pub(crate) shift: Move<'a>,
    pub(crate) line: ServicePlan,
}

/// One service that is taken away.
pub(crate) struct Removal {
    pub(crate) name: ServiceName,
    /// The release that serves.
    pub(crate) active: Option<Release>,
    /// Every release of it that runs, the active one first.
    pub(crate) running: Vec<Release>,
    /// The newest release it has, in whose name it is removed.
    pub(crate) last: Release,
    pub(crate) volumes: bool,
}

/// A line of the plan: of a service that moves (by its place among the moves), or as it is.
pub(crate) enum Line {
    Moves(usize),
    Stays(Box<ServicePlan>),
}

impl Draft<'_> {
    /// The plan: moves in their order, then removals.
    pub(crate) fn finish(
        self,
        lines: Vec<Line>,
        moving: Vec<Moving<'_>>,
        removals: &[Removal],
        removed_lines: Vec<ServicePlan>,
    ) -> Result<Plan, Fault> {
        let (mut moves, mut drafts): (Vec<Move<'_>>, Vec<Option<ServicePlan>>) =
            moving.into_iter().map(|moving| (moving.shift, Some(moving.line))).unzip();
        let mut leaving: Leaving = removals
            .iter()
            .filter_map(|removal| removal.active.as_ref())
            .filter(|active| active.spec.route.is_some())
            .map(|active| (active.service().clone(), active.id.clone()))
            .collect();
        hand_over(&mut moves, &mut leaving, self.observed)?;
        let steps = steps(&moves, removals, &leaving);
        let mut services = Vec::with_capacity(lines.len() + removed_lines.len());
        for line in lines {
            match line {
                Line::Stays(line) => services.push(*line),
                Line::Moves(index) => {
                    let Some(line) = drafts[index].take() else { continue };
                    services.push(self.forecast(line, &moves[index]));
                }
            }
        }
        services.extend(removed_lines);
        let releases = releases_of(&steps, moves, removals);
        let plan = Plan {
            format: FORMAT,
            kind: self.kind,
            app: self.app.clone(),
            environment: self.environment.clone(),
            version: self.version,
            generation: self.observed.generation,
            services,
            releases,
            steps,
            hash: None,
        };
        Ok(plan.sealed())
    }

    fn forecast(&self, mut line: ServicePlan, shift: &Move<'_>) -> ServicePlan {
        line.strategy = shift.strategy();
        line.forecast = crate::forecast::forecast(shift, self.observed.services.get(&line.service));
        line.notes.extend(crate::forecast::notes(shift, &line.forecast));
        crate::adoption::foresee(&mut line, shift, self.observed);
        line
    }
}

fn steps(moves: &[Move<'_>], removals: &[Removal], leaving: &Leaving) -> Vec<Step> {
    let mut steps: Vec<Step> = moves.iter().map(Move::prepare).collect();
    steps.extend(moves.iter().filter_map(Move::test));
    steps.extend(moves.iter().flat_map(Move::take_over));
    steps.extend(moves.iter().map(Move::read_back));
    steps.extend(moves.iter().flat_map(Move::retire));
    steps.extend(moves.iter().map(Move::prune));
    for removal in removals {
        if let Some(release) = leaving.get(&removal.name) {
            steps.push(Step::Unroute { release: release.clone() });
        }
        steps.extend(removal.running.iter().map(|release| Step::Stop { release: release.id.clone() }));
    }
    steps.extend(removals.iter().map(|r| Step::Remove { release: r.last.id.clone(), volumes: r.volumes }));
    steps
}

/// The releases that steps speak of.
fn releases_of(steps: &[Step], moves: Vec<Move<'_>>, removals: &[Removal]) -> BTreeMap<ReleaseId, Release> {
    let spoken: BTreeSet<&ReleaseId> = steps.iter().flat_map(Step::releases).collect();
    let mut releases = BTreeMap::new();
    let mut add = |release: Release| {
        if spoken.contains(&release.id) {
            releases.insert(release.id.clone(), release);
        }
    };
    for shift in moves {
        shift.old.into_iter().cloned().for_each(&mut add);
        shift.others.into_iter().for_each(&mut add);
        add(shift.new);
    }
    for removal in removals {
        removal.active.iter().chain(&removal.running).cloned().for_each(&mut add);
        add(removal.last.clone());
    }
    releases
}

impl<'a> Move<'a> {
    /// The move of a service from `old` to `new`, with what else of it runs.
    pub(crate) fn between(
        old: Option<&'a Release>,
        new: Release,
        seen: Option<&ObservedService>,
        fresh: bool,
    ) -> Self {
        let mut others = seen.map(running_of).unwrap_or_default();
        others.retain(|other| other.id != new.id && old.is_none_or(|old| old.id != other.id));
        let kept = |id: &ReleaseId| {
            seen.is_some_and(|seen| {
                seen.releases.iter().any(|r| r.release.id == *id && r.state == ReleaseState::Kept)
            })
        };
        let left = others.iter().map(|other| other.id.clone()).filter(kept).collect();
        let standing = standing(old, &new, seen);
        Self { old, new, others, left, fresh, standing, unrouted: false, displaces: Vec::new() }
    }
}

fn standing(old: Option<&Release>, new: &Release, seen: Option<&ObservedService>) -> Standing {
    let instances = || seen.into_iter().flat_map(|seen| &seen.instances);
    let well = |instance: &&InstanceStatus| instance.state == InstanceState::Healthy;
    let up = |instance: &&InstanceStatus| {
        !matches!(
            instance.state,
            InstanceState::Stopped | InstanceState::Stopping | InstanceState::BackingOff
        )
    };
    let of_new = instances().filter(|instance| instance.release == new.id).filter(up).count();
    Standing {
        well: old.is_some_and(|old| instances().filter(|i| i.release == old.id).any(|i| well(&i))),
        waiting: runs(new) && of_new >= new.spec.replicas as usize,
    }
}

/// The releases of a service of which an instance is up or about to be, oldest first.
pub(crate) fn running_of(service: &ObservedService) -> Vec<Release> {
    let up: BTreeSet<&ReleaseId> = service
        .instances
        .iter()
        .filter(|instance| instance.state != InstanceState::Stopped)
        .map(|instance| &instance.release)
        .collect();
    let known = service.releases.iter().map(|known| &known.release);
    known.filter(|release| up.contains(&release.id) && runs(release)).cloned().collect()
}
