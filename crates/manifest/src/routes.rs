//! Gives services their addresses: the first without one of its own gets the environment's domain, each further one a
//! name below it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use landfall_model::{Route, SourceSpan};

use crate::environment::Environment;
use crate::forms;
use crate::http;
use crate::parts;
use crate::report::{Problem, Report};
use crate::service::Draft;
use crate::tls;
use crate::tree::{Node, Value};

/// The route of each draft; `None` for those to which no requests come.
pub(crate) fn assign(drafts: &[Draft], environment: &Environment, report: &mut Report) -> Vec<Option<Route>> {
    let mut first = true;
    let mut routes = Vec::with_capacity(drafts.len());
    for draft in drafts {
        routes.push(draft.is_routable().then(|| route(draft, environment, &mut first, report)).flatten());
    }
    conflicts(drafts, &routes, report);
    routes
}

fn route(draft: &Draft, environment: &Environment, first: &mut bool, report: &mut Report) -> Option<Route> {
    let own = draft.table.text("domain").map(str::to_lowercase);
    let path = draft.table.get("route");
    let host = match own {
        Some(domain) => domain,
        None if path.is_some() || std::mem::take(first) => environment.domain.clone(),
        None => below(draft, environment, report)?,
    };
    let (prefix, strip) = match path.map(|node| &node.value) {
        Some(Value::Text(prefix)) => (prefix.as_str(), false),
        Some(Value::Table(table)) => {
            let strip = matches!(table.get("strip"), Some(Node { value: Value::Flag(true), .. }));
            (table.text("path").unwrap_or("/"), strip)
        }
        _ => ("/", false),
    };
    let prefix = format!("/{}", prefix.trim_matches('/'));
    let front = &environment.front;
    let said = draft.table.get("domain").map(|node| node.span).or(environment.domain_at);
    let tls = front.https.as_ref().map(|https| tls::for_route(https, &host, said, report));
    Some(Route {
        listen: front.listen.clone(),
        host,
        prefix,
        strip,
        hold: parts::hold(&draft.table),
        tls,
        http: http::read(&draft.table, front),
        proxy: front.proxy.clone(),
    })
}

/// `client.guestbook.localhost` for the service `client`, where there can be a name below the domain.
fn below(draft: &Draft, environment: &Environment, report: &mut Report) -> Option<String> {
    let domain = &environment.domain;
    let host = format!("{}.{domain}", draft.name);
    let why = if domain == "*" {
        "`*` has no names below it"
    } else if domain.parse::<IpAddr>().is_ok() {
        "an IP address has no names below it"
    } else if !forms::DOMAIN.accepts(&host) {
        "the name below the environment's domain would be too long"
    } else {
        return Some(host);
    };
    let problem =
        Problem::error(format!("`{}` needs an address of its own: {why}", draft.name)).at(draft.at, "");
    let problem = match environment.domain_at {
        Some(at) => problem.at(at, "the environment's domain"),
        None => problem,
    };
    report.add(
        problem.help(format!("give it a `domain`, or a part of the paths: `route = \"/{}\"`", draft.name)),
    );
    None
}

fn conflicts(drafts: &[Draft], routes: &[Option<Route>], report: &mut Report) {
    let mut taken: BTreeMap<(&str, &str, &str), &Draft> = BTreeMap::new();
    for (draft, route) in drafts.iter().zip(routes) {
        let Some(route) = route else { continue };
        if let Some(other) = taken.insert((&route.listen, &route.host, &route.prefix), draft) {
            report.add(
                Problem::error(format!(
                    "`{}` and `{}` have one address: {}{}",
                    other.name, draft.name, route.host, route.prefix
                ))
                .at(place(draft), format!("`{}` is there", draft.name))
                .at(place(other), format!("and so is `{}`", other.name))
                .help("give one of them another `domain` or `route`"),
            );
        }
    }
}

fn place(draft: &Draft) -> SourceSpan {
    let key = if draft.table.entry("route").is_some() { "route" } else { "domain" };
    draft.place(key)
}
