//! Who holds which route while a plan goes on: refuses two on one, and finds the order in which routes change hands.

use std::collections::{BTreeMap, HashMap};

use landfall_model::{Fault, Observed, Proxy, ReleaseId, Route, ServiceName, TakenRoute, overlap};

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
            refuse_beside(&service, route, &observed.taken)?;
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

/// Refuses a route that Landfall's own proxy cannot serve beside those of others, on an address that overlaps theirs.
fn refuse_beside(service: &ServiceName, route: &Route, taken: &[TakenRoute]) -> Result<(), Fault> {
    let meets = |one: &str, other: &str| {
        let both = one.parse().ok().zip(other.parse().ok());
        both.is_some_and(|(one, other)| overlap(one, other))
    };
    let secure = |route: &Route| route.tls.as_ref().map(|tls| tls.listen.clone());
    let mixed = |one: &Route, other: &Route| secure(other).is_some_and(|secure| meets(&one.listen, &secure));
    let own = |other: &&TakenRoute| route.proxy == Proxy::Landfall && other.route.proxy == Proxy::Landfall;
    for other in taken.iter().filter(own) {
        let TakenRoute { app, environment, service: theirs, route: there } = other;
        let holder = format!("service `{theirs}` of `{app}` in `{environment}`");
        let shared = meets(&route.listen, &there.listen)
            || secure(route).zip(secure(there)).is_some_and(|(one, other)| meets(&one, &other));
        let why = if mixed(route, there) || mixed(there, route) {
            "of HTTPS and plain HTTP it has the one where this would have the other"
        } else if shared && route.http.proxy_protocol != there.http.proxy_protocol {
            "it says otherwise of the PROXY protocol, and all routes of an address must agree"
        } else if shared && (&route.host, &route.prefix) == (&there.host, &there.prefix) {
            return Err(occupied(service, route, &holder));
        } else {
            continue;
        };
        return Err(Fault::refused(format!(
            "`{service}` cannot be served at {} beside {holder}: {why}",
            route.url()
        ))
        .help("give one of them another `listen`, or take the other one down first"));
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

#[cfg(test)]
mod tests {
    use landfall_model::{Certificate, HoldLimits, Http, Tls};

    use super::*;

    fn route(listen: &str, host: &str) -> Route {
        Route {
            listen: listen.to_owned(),
            host: host.to_owned(),
            prefix: "/".to_owned(),
            strip: false,
            hold: HoldLimits::default(),
            tls: None,
            http: Http::default(),
            proxy: Proxy::Landfall,
        }
    }

    #[track_caller]
    fn check(wanted: &Route, there: &Route, expected: Option<&str>) {
        let taken = TakenRoute {
            app: "other".parse().unwrap(),
            environment: "dev".parse().unwrap(),
            service: "web".parse().unwrap(),
            route: there.clone(),
        };
        for (one, other) in [(wanted, there), (there, wanted)] {
            let taken = TakenRoute { route: other.clone(), ..taken.clone() };
            let refused =
                refuse_beside(&"api".parse().unwrap(), one, &[taken]).map_err(|fault| fault.message);
            let said = refused.err();
            let fits = match (&said, expected) {
                (Some(said), Some(expected)) => said.contains(expected),
                (said, expected) => said.is_none() && expected.is_none(),
            };
            assert!(fits, "{} and {}: {said:?}", one.listen, other.listen);
        }
    }

    #[test]
    fn what_the_proxy_would_refuse_is_seen_before() {
        let here = route("127.0.0.1:80", "a");
        check(&here, &route("0.0.0.0:80", "b"), None);
        check(&here, &route("10.0.0.1:80", "a"), None);
        check(&here, &route("[::]:80", "a"), Some("cannot be served at"));
        let mut told = route("0.0.0.0:80", "b");
        told.http.proxy_protocol = true;
        check(&here, &told, Some("PROXY protocol"));
        told.listen = "0.0.0.0:81".to_owned();
        check(&here, &told, None);
        let mut secure = route("127.0.0.1:8080", "b");
        let listen = "0.0.0.0:80".to_owned();
        secure.tls = Some(Tls { listen, certificate: Certificate::Internal, redirect: true, hsts: None });
        check(&here, &secure, Some("HTTPS and plain HTTP"));
        secure.proxy = Proxy::Caddy { admin: None };
        check(&here, &secure, None);
    }
}
