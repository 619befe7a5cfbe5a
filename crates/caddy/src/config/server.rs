//! Servers: one of Landfall's for each address, unless the Caddy has one there already, which then takes the routes.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use landfall_model::Certificate;
use serde_json::{Map, Value, json};

use super::{OURS, Setting, existing, log, object, route, tls, without_ours};
use crate::folder::Stored;

/// For the head of a request.
const HEAD: &str = "30s";

/// An address and the routes that are served there; whether over TLS.
struct Listener<'a> {
    secure: bool,
    routes: Vec<&'a Stored>,
}

pub(super) fn merge(
    config: &mut Map<String, Value>,
    routes: &[Stored],
    setting: Setting<'_>,
) -> Result<(), String> {
    let listeners = listeners(routes)?;
    if listeners.is_empty() && existing(config, &["apps", "http", "servers"]).is_none() {
        return Ok(());
    }
    let servers = object(config, &["apps", "http", "servers"]);
    servers.retain(|name, _| !name.starts_with(&format!("{OURS}-")));
    for server in servers.values_mut().filter_map(Value::as_object_mut) {
        without_ours(server, "routes");
    }
    for (address, listener) in listeners {
        let suffix = if listener.secure { ":tls" } else { "" };
        let own: Vec<Value> = ordered(&listener.routes)
            .into_iter()
            .map(|stored| route::route(stored, setting, suffix, listener.secure))
            .collect();
        match servers.values_mut().find(|server| listens(server, address)) {
            Some(server) => {
                let Some(server) = server.as_object_mut() else { continue };
                let others = server.entry("routes").or_insert_with(|| json!([]));
                let all: Vec<Value> =
                    own.into_iter().chain(others.as_array().into_iter().flatten().cloned()).collect();
                *others = Value::Array(all);
            }
            None => {
                let name = format!("{OURS}-{}", address.to_string().replace([':', '[', ']'], "-"));
                servers.insert(name, server(address, &listener, own, setting));
            }
        }
    }
    Ok(())
}

/// Whether a server of others listens on an address or a part of it.
pub(crate) fn listens(server: &Value, address: SocketAddr) -> bool {
    let listens = server.get("listen").and_then(Value::as_array).into_iter().flatten();
    listens.filter_map(Value::as_str).any(|text| {
        let text = text.strip_prefix("tcp/").unwrap_or(text);
        let Some((host, port)) = text.rsplit_once(':') else { return false };
        let host = host.trim_matches(['[', ']']);
        let (first, last) = port.split_once('-').unwrap_or((port, port));
        let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) else { return false };
        let any = host.is_empty() || address.ip().is_unspecified();
        let same = host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_unspecified() || ip == address.ip());
        (first..=last).contains(&address.port()) && (any || same)
    })
}

fn listeners(routes: &[Stored]) -> Result<BTreeMap<SocketAddr, Listener<'_>>, String> {
    let mut listeners: BTreeMap<SocketAddr, Listener<'_>> = BTreeMap::new();
    for stored in routes {
        let route = &stored.route;
        let mut wanted = vec![(route.listen, false)];
        if let Some(tls) = &route.tls {
            let address = tls.listen.parse();
            wanted.push((address.map_err(|_| format!("`{}` is no address to listen on", tls.listen))?, true));
        }
        for (address, secure) in wanted {
            let listener =
                listeners.entry(address).or_insert_with(|| Listener { secure, routes: Vec::new() });
            if listener.secure != secure {
                return Err(format!("one route wants HTTPS on {address} and another plain HTTP"));
            }
            let differs = |other: &&Stored| other.route.http.proxy_protocol != route.http.proxy_protocol;
            if listener.routes.iter().any(differs) {
                return Err(format!("the routes on {address} do not agree on the PROXY protocol"));
            }
            listener.routes.push(stored);
        }
    }
    Ok(listeners)
}

/// The most specific first: named hosts before any host, longer prefixes before shorter ones.
fn ordered<'a>(routes: &[&'a Stored]) -> Vec<&'a Stored> {
    let mut routes = routes.to_vec();
    routes.sort_by_key(|stored| {
        let route = &stored.route;
        (route.host == "*", Reverse(route.prefix.len()), route.id.clone())
    });
    routes
}

fn server(
    address: SocketAddr,
    listener: &Listener<'_>,
    mut routes: Vec<Value>,
    setting: Setting<'_>,
) -> Value {
    routes.push(json!({ "handle": [{
        "handler": "static_response",
        "status_code": 404,
        "headers": { "Content-Type": ["text/plain; charset=utf-8"] },
        "body": "no application has this address\n",
    }] }));
    let mut errors: Vec<Value> =
        ordered(&listener.routes).into_iter().flat_map(|stored| route::errors(stored, setting)).collect();
    let plain = json!({ "Content-Type": ["text/plain; charset=utf-8"] });
    let too_large = json!({ "{http.error.message}": {
        "name": format!("{OURS}.too_large"), "pattern": route::TOO_LARGE,
    } });
    errors.push(json!({
        "match": [{ "vars_regexp": too_large }],
        "handle": [{
            "handler": "static_response",
            "status_code": 413,
            "headers": plain,
            "body": "413 Request Entity Too Large\n",
        }],
        "terminal": true,
    }));
    errors.push(json!({ "handle": [{
        "handler": "static_response",
        "status_code": "{http.error.status_code}",
        "headers": plain,
        "body": "{http.error.status_code} {http.error.status_text}\n",
    }] }));
    let mut server = json!({
        "listen": [address.to_string()],
        "routes": routes,
        "errors": { "routes": errors },
        "automatic_https": { "disable": true },
        "read_header_timeout": HEAD,
        "protocols": ["h1", "h2"],
        "logs": { "default_logger_name": log::LOGGER },
    });
    if listener.secure {
        server["tls_connection_policies"] = policies(&listener.routes);
    }
    let proxied = listener.routes.iter().find(|stored| stored.route.http.proxy_protocol);
    if let Some(stored) = proxied {
        server["listener_wrappers"] = json!([
            { "wrapper": "proxy_protocol", "allow": stored.route.http.trusted },
            { "wrapper": "tls" },
        ]);
    }
    server
}

/// Which certificate a client is shown: of files the route's own, else the one for the name it asks for.
fn policies(routes: &[&Stored]) -> Value {
    let mut policies = Vec::new();
    let mut last = json!({});
    for stored in ordered(routes) {
        let route = &stored.route;
        let Some(tls) = &route.tls else { continue };
        let mut policy = json!({});
        if matches!(tls.certificate, Certificate::Files { .. }) {
            let tag = format!("{OURS}:certificate:{}", route.key());
            policy["certificate_selection"] = json!({ "any_tag": [tag] });
        }
        if route.host == "*" {
            // A client that names no host is one that connects to a bare address.
            policy["default_sni"] = json!(tls::names(route)[0]);
            last = policy;
        } else if matches!(tls.certificate, Certificate::Files { .. }) {
            policy["match"] = json!({ "sni": [route.host] });
            policies.push(policy);
        }
    }
    policies.push(last);
    Value::Array(policies)
}
