//! Compares what is there with what should be: the plan's end, or what was there before.

use std::collections::{BTreeMap, BTreeSet};

use landfall_model::{Change, Kind, Plan, ReleaseId, ServiceName};

use super::World;
use super::state::{Prepared, RouteState, ShareState, State};

/// What users of the services would notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Who serves, by the ledger.
    pub active: BTreeMap<ServiceName, ReleaseId>,
    /// The proxy's routes.
    pub routes: BTreeMap<ServiceName, RouteState>,
    /// Instances that run and are not being drained.
    pub instances: BTreeSet<(ReleaseId, u32)>,
}

impl World {
    /// What users would notice now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        let instances = state.instances.iter().filter(|(_, instance)| !instance.retiring);
        Snapshot {
            active: state.active.clone(),
            routes: state.routes.clone(),
            instances: instances.map(|(key, _)| key.clone()).collect(),
        }
    }

    /// What is not as the plan wants it; empty at a good end.
    #[must_use]
    pub fn differs_from(&self, plan: &Plan) -> Vec<String> {
        let state = self.lock();
        let mut wrong = Vec::new();
        for line in plan.services.iter().filter(|line| line.change != Change::Unchanged) {
            let service = &line.service;
            match line.to.as_ref().and_then(|to| plan.releases.get(to)) {
                Some(to) => wrong.extend(state.differs(service, to)),
                None => {
                    let there = state.active.contains_key(service)
                        || state.routes.contains_key(service)
                        || !state.running(service).is_empty()
                        || state.releases.keys().any(|id| id.service() == service);
                    if there {
                        wrong.push(format!("`{service}` is not gone"));
                    }
                }
            }
        }
        wrong
    }
}

impl State {
    fn differs(&self, service: &ServiceName, to: &landfall_model::Release) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.active.get(service) != Some(&to.id) {
            wrong.push(format!("{:?} is active for `{service}`, not {}", self.active.get(service), to.id));
        }
        if self.releases.get(&to.id).is_none_or(|known| known.prepared != Prepared::Yes) {
            wrong.push(format!("{} has no files", to.id));
        }
        let count = if to.spec.kind == Kind::Site { 0 } else { to.spec.replicas };
        for ordinal in 1..=count {
            let instance = self.instances.get(&(to.id.clone(), ordinal));
            if !instance.is_some_and(|instance| self.healthy(instance) && !instance.retiring) {
                wrong.push(format!("instance {ordinal} of {} is {instance:?}", to.id));
            }
        }
        let alone = ShareState { release: to.id.clone(), instances: to.spec.replicas, weight: 1 };
        let expected =
            to.spec.route.clone().map(|route| RouteState { route, shares: vec![alone], held: false });
        let route = self.routes.get(service).cloned();
        if route != expected {
            wrong.push(format!("the route of `{service}` is {route:?}, not {expected:?}"));
        }
        let stray = self
            .instances
            .iter()
            .find(|((id, _), instance)| id.service() == service && *id != to.id && !instance.retiring);
        if let Some(((id, ordinal), _)) = stray {
            wrong.push(format!("instance {ordinal} of {id} runs still"));
        }
        wrong
    }
}
