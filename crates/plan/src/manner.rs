//! In which manner a service moves: its strategy, or what takes its place where the strategy cannot be followed.

use landfall_model::{Canary, Kind, Release, Rolling, Route, Runtime, Strategy};

use crate::batches::{Batch, batches};
use crate::moves::{Move, runs};

/// What a `rolling` does that says nothing of its batches.
const ROLLING: Rolling = Rolling { max_unavailable: 0, max_surge: 1 };

/// How a service moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Manner {
    /// What runs is stopped before the new release starts.
    Restart,
    /// These batches, then the switch.
    Rolling(Vec<Batch>),
    /// The whole new release is started, then the switch.
    BlueGreen,
    /// The whole new release is started, gets these shares one after the other, then the switch.
    Canary(Vec<u32>),
}

/// Why a strategy is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detour {
    /// There is nothing to go on from, or nothing to divide: that goes without saying.
    Plain,
    /// Both releases cannot be reached by one route.
    Moves,
    /// They are not checked for health alike.
    Health,
    /// It goes back, all of which is there already or wanted at once.
    Back,
    /// No instance of the old release is well.
    Ill,
    /// There is one instance, and no other may run beside it.
    Single,
}

impl Detour {
    /// What a person should know of it.
    pub(crate) fn note(self, strategy: Strategy) -> Option<String> {
        let word = if strategy == Strategy::Canary { "steps" } else { "batches" };
        match self {
            Self::Plain => None,
            Self::Moves => {
                Some(format!("its route changes, so that it changes over at once, without {word}"))
            }
            Self::Health => {
                Some(format!("its health check changes, so that it changes over at once, without {word}"))
            }
            Self::Back => Some(format!("goes back at once, without {word}")),
            Self::Ill => Some(format!(
                "no instance of the release that serves is well, so that it changes over at once, without {word}"
            )),
            Self::Single => Some("one instance and none beyond it: as `restart` does it".to_owned()),
        }
    }
}

impl Move<'_> {
    /// The manner of this move.
    pub(crate) fn manner(&self) -> Manner {
        if self.new.spec.runtime == Runtime::Compose {
            return Manner::Restart;
        }
        match (self.new.spec.strategy, self.detour()) {
            (Strategy::Restart, _) | (_, Some(Detour::Single)) => Manner::Restart,
            (Strategy::Rolling, None) => Manner::Rolling(self.batches().unwrap_or_default()),
            (Strategy::Canary, None) => {
                let steps = |canary: &Canary| canary.steps.clone();
                Manner::Canary(self.new.spec.canary.as_ref().map(steps).unwrap_or_default())
            }
            _ => Manner::BlueGreen,
        }
    }

    /// The strategy that is followed.
    pub(crate) fn strategy(&self) -> Strategy {
        match self.manner() {
            Manner::Restart => Strategy::Restart,
            Manner::Rolling(_) => self.new.spec.strategy,
            Manner::BlueGreen if self.detour().is_none_or(|detour| detour == Detour::Plain) => {
                self.new.spec.strategy
            }
            Manner::BlueGreen => Strategy::BlueGreen,
            Manner::Canary(_) => Strategy::Canary,
        }
    }

    /// Why the strategy is not followed; `None` when it is.
    pub(crate) fn detour(&self) -> Option<Detour> {
        let Some(old) = self.old else { return Some(Detour::Plain) };
        match self.new.spec.strategy {
            Strategy::Restart | Strategy::BlueGreen => None,
            Strategy::Rolling if !runs(old) || !runs(&self.new) => Some(Detour::Plain),
            Strategy::Rolling if self.standing.waiting => Some(Detour::Back),
            Strategy::Rolling => {
                self.split(old).or_else(|| self.batches().is_none().then_some(Detour::Single))
            }
            Strategy::Canary if !self.fresh => Some(Detour::Back),
            Strategy::Canary if runs(old) && !self.standing.well => Some(Detour::Ill),
            Strategy::Canary => self.split(old),
        }
    }

    /// Why one route cannot serve both releases.
    fn split(&self, old: &Release) -> Option<Detour> {
        match (&old.spec.route, &self.new.spec.route) {
            (None, None) => None,
            (Some(before), Some(after)) if mixes(before, after) && !self.unrouted => {
                let check = |release: &Release| {
                    (release.spec.kind != Kind::Site)
                        .then(|| (release.spec.health.path.clone(), release.spec.health.status))
                };
                let checks = check(old).zip(check(&self.new));
                checks.is_some_and(|(before, after)| before != after).then_some(Detour::Health)
            }
            _ => Some(Detour::Moves),
        }
    }

    fn batches(&self) -> Option<Vec<Batch>> {
        let old = self.old.map_or(1, |old| old.spec.replicas);
        let spec = &self.new.spec;
        batches(old, spec.replicas, spec.rolling.unwrap_or(ROLLING), !spec.warm.is_zero())
    }
}

/// Whether the requests of one route can go to releases with either.
fn mixes(before: &Route, after: &Route) -> bool {
    let key = |route: &Route| {
        let tls = route.tls.as_ref().map(|tls| tls.listen.clone());
        let place = (route.listen.clone(), route.host.clone(), route.prefix.clone());
        (place, route.strip, tls, route.http.protocol, route.proxy.clone())
    };
    key(before) == key(after)
}
