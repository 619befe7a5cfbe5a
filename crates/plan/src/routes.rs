//! Who holds which route while a plan goes on: refuses two on one, and finds the order in which routes change hands.

use std::collections::{BTreeMap, HashMap};

use landfall_model::{Fault, Observed, ReleaseId, Route, ServiceName};

use crate::moves::Move;

/// What makes two routes the same: the address listened on, the host, the path prefix.
type Key = (String, String, String);

fn key(route: &Route) -> Key {
    (route.listen.clone(), route.host.clone(), route.prefix.clone())
}

/// A service that is taken away by the same plan: its name, and the release that holds a route.
pub(crate) type Leaving = BTreeMap<ServiceName, ReleaseId>;

/// Refuses routes that others hold, and finds for each move the releases whose route must be freed before its switch.
/// The services that lose their route so are marked `unrouted`; of `leaving` they are taken out.
pub(crate) fn hand_over(
    moves: &mut [Move<'_>],
    leaving: &mut Leaving,
    observed: &Observed,
) -> Result<(), Fault> {
    let mut holders = holders(observed);
    let later: HashMap<ServiceName, usize> =
        moves.iter().enumerate().map(|(index, shift)| (shift.new.service().clone(), index)).collect();
    let taken: HashMap<Key, String> = observed
        .taken
        .iter()
        .map(|taken| {
            let holder = format!("service `{}` of `{}` in `{}`", taken.service, taken.app, taken.environment);
            (key(&taken.route), holder)
        })
        .collect();
    for index in 0..moves.len() {
        let service = moves[index].new.service().clone();
        let route = moves[index].new.spec.route.clone();
        if let Some(route) = &route {
            let wanted = key(route);
            if let Some(holder) = taken.get(&wanted) {
                return Err(occupied(&service, route, holder));
            }
            if let Some((other, release)) =
                holders.get(&wanted).filter(|(other, _)| *other != service).cloned()
            {
                let goes = later.get(&other).filter(|place| {
                    **place > index && moves[**place].new.spec.route.as_ref().map(key) != Some(wanted.clone())
                });
                match goes {
                    Some(place) => moves[*place].unrouted = true,
                    None if leaving.remove(&other).is_some() => {}
                    None => return Err(occupied(&service, route, &format!("service `{other}`"))),
                }
                moves[index].displaces.push(release);
            }
        }
        // From the switch on it holds the new route, and the old one no longer.
        holders.forget(&service, moves[index].old.and_then(|old| old.spec.route.as_ref()).map(key));
        if let Some(route) = &route {
            holders.insert(key(route), (service, moves[index].new.id.clone()));
        }
    }
    Ok(())
}

fn occupied(service: &ServiceName, route: &Route, holder: &str) -> Fault {
    Fault::refused(format!("`{service}` cannot be served at {}: {holder} is", route.url())).help(
        "give one of them another `domain`, path or port in the manifest, or take the other one down first",
    )
}

/// Routes and the service and release that hold each.
struct Holders(HashMap<Key, (ServiceName, ReleaseId)>);

impl Holders {
    fn get(&self, key: &Key) -> Option<&(ServiceName, ReleaseId)> {
        self.0.get(key)
    }

    fn insert(&mut self, key: Key, holder: (ServiceName, ReleaseId)) {
        self.0.insert(key, holder);
    }

    /// Forgets that `service` holds `key`, if it does.
    fn forget(&mut self, service: &ServiceName, key: Option<Key>) {
        if let Some(key) = key
            && self.0.get(&key).is_some_and(|(holder, _)| holder == service)
        {
            self.0.remove(&key);
        }
    }
}

fn holders(observed: &Observed) -> Holders {
    let mut holders = HashMap::new();
    for (name, service) in &observed.services {
        let Some(active) = service.active.as_ref().and_then(|id| crate::refusals::release_of(service, id))
        else {
            continue;
        };
        if let Some(route) = &active.spec.route {
            holders.insert(key(route), (name.clone(), active.id.clone()));
        }
    }
    Holders(holders)
}
