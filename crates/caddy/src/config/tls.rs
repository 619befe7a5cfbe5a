//! Certificates, through Caddy's own `tls` app: its internal authority, files, ACME.

use serde_json::{Map, Value, json};

use landfall_model::{Acme, Certificate, Challenge};

use super::{OURS, existing, object, without_ours};
use crate::folder::Stored;
use crate::route::Route;

/// Under which names a route is asked for over TLS. One for any host is asked for as this machine.
pub(crate) fn names(route: &Route) -> Vec<String> {
    if route.host != "*" {
        return vec![route.host.clone()];
    }
    let mut names = vec!["localhost".to_owned()];
    let address = route.tls.as_ref().and_then(|tls| tls.listen.parse::<std::net::SocketAddr>().ok());
    names.extend(address.filter(|address| !address.ip().is_unspecified()).map(|a| a.ip().to_string()));
    names
}

pub(super) fn merge(config: &mut Map<String, Value>, routes: &[Stored]) {
    take_out(config);
    let internal = |stored: &Stored| {
        stored.route.tls.as_ref().is_some_and(|tls| tls.certificate == Certificate::Internal)
    };
    if routes.iter().any(internal) {
        // Caddy would put its root into the system's trust store, which is not asked for.
        let authorities = object(config, &["apps", "pki", "certificate_authorities"]);
        let id = format!("{OURS}:authority");
        authorities.entry("local").or_insert_with(|| json!({ "@id": id, "install_trust": false }));
    }
    for stored in routes {
        let route = &stored.route;
        let Some(tls) = &route.tls else { continue };
        let id = format!("{OURS}:certificate:{}", route.key());
        match &tls.certificate {
            Certificate::Internal => automate(config, &id, &names(route), &json!({ "module": "internal" })),
            Certificate::Acme(acme) => automate(config, &id, &names(route), &issuer(acme, route)),
            Certificate::Files { certificate, key } => {
                let certificates = object(config, &["apps", "tls", "certificates"]);
                let files = certificates.entry("load_files").or_insert_with(|| json!([]));
                let file = json!({ "@id": id, "certificate": certificate, "key": key, "tags": [id] });
                files.as_array_mut().into_iter().for_each(|files| files.push(file.clone()));
            }
        }
    }
}

/// Takes out what was Landfall's.
fn take_out(config: &mut Map<String, Value>) {
    if let Some(apps) = existing(config, &["apps"])
        && let Some(authorities) = existing(apps, &["pki", "certificate_authorities"])
        && authorities.get("local").is_some_and(super::is_ours)
    {
        authorities.remove("local");
        if authorities.is_empty() {
            apps.remove("pki");
        }
    }
    let Some(tls) = existing(config, &["apps", "tls"]) else { return };
    let mut subjects: Vec<Value> = Vec::new();
    if let Some(automation) = existing(tls, &["automation"]) {
        let policies = automation.get("policies").and_then(Value::as_array);
        for policy in policies.into_iter().flatten().filter(|policy| super::is_ours(policy)) {
            subjects.extend(policy.get("subjects").and_then(Value::as_array).into_iter().flatten().cloned());
        }
        without_ours(automation, "policies");
    }
    if let Some(certificates) = existing(tls, &["certificates"]) {
        without_ours(certificates, "load_files");
        if let Some(automated) = certificates.get_mut("automate").and_then(Value::as_array_mut) {
            automated.retain(|name| !subjects.contains(name));
            if automated.is_empty() {
                certificates.remove("automate");
            }
        }
    }
}

fn automate(config: &mut Map<String, Value>, id: &str, names: &[String], issuer: &Value) {
    let automation = object(config, &["apps", "tls", "automation"]);
    let policies = automation.entry("policies").or_insert_with(|| json!([]));
    let known = policies.as_array().into_iter().flatten().filter_map(|policy| policy["subjects"].as_array());
    let known: Vec<&str> = known.flatten().filter_map(Value::as_str).collect();
    // Several routes of one host have one certificate: that of the first.
    let fresh: Vec<&String> = names.iter().filter(|name| !known.contains(&name.as_str())).collect();
    if fresh.is_empty() {
        return;
    }
    let policy = json!({ "@id": id, "subjects": fresh, "issuers": [issuer] });
    let fresh: Vec<Value> = fresh.into_iter().map(|name| json!(name)).collect();
    // Policies are looked through from the first: one of others for any host is last.
    policies.as_array_mut().into_iter().for_each(|policies| policies.insert(0, policy.clone()));
    let certificates = object(config, &["apps", "tls", "certificates"]);
    let automated = certificates.entry("automate").or_insert_with(|| json!([]));
    automated.as_array_mut().into_iter().for_each(|automated| automated.extend(fresh.clone()));
}

fn issuer(acme: &Acme, route: &Route) -> Value {
    let mut issuer = json!({ "module": "acme", "ca": acme.directory });
    if let Some(email) = &acme.email {
        issuer["email"] = json!(email);
    }
    if let Some(authority) = &acme.authority {
        issuer["trusted_roots_pem_files"] = json!([authority]);
    }
    let off = |challenge| !acme.challenges.is_empty() && !acme.challenges.contains(&challenge);
    let port = |listen: &str| listen.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let secure = route.tls.as_ref().and_then(|tls| port(&tls.listen)).filter(|port| *port != 443);
    let plain = Some(route.listen.port()).filter(|port| *port != 80);
    // Ports other than the usual two are those that something in front sends the challenges to.
    issuer["challenges"] = json!({
        "http": { "disabled": off(Challenge::Http01), "alternate_port": plain.unwrap_or(0) },
        "tls-alpn": { "disabled": off(Challenge::TlsAlpn01), "alternate_port": secure.unwrap_or(0) },
    });
    issuer
}
