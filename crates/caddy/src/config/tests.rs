//! What a Caddy's configuration becomes.

use serde_json::json;

use super::*;
use crate::folder::testing::stored;
use crate::route::testing::{route, share};

fn merged(now: &Value, routes: &[Stored]) -> Value {
    let folder = Folder::new("/state/caddy");
    merge(now, routes, Setting { folder: &folder, token: "secret", version: Version::new(2, 6, 2) }).unwrap()
}

#[test]
fn parts_of_others_stay() {
    let others = json!({
        "admin": { "listen": "127.0.0.1:2019" },
        "apps": {
            "http": { "servers": { "srv0": { "listen": [":443"], "routes": [{ "handle": [] }] } } },
            "tls": { "automation": { "policies": [{ "subjects": ["other.example"] }] } },
        },
    });
    let with = merged(&others, &[stored(route("1", &["127.0.0.1:1"]))]);
    assert_eq!(with["apps"]["http"]["servers"]["srv0"], others["apps"]["http"]["servers"]["srv0"]);
    assert!(with["apps"]["http"]["servers"]["landfall-127.0.0.1-8080"].is_object());
    let mut without = merged(&with, &[]);
    without.as_object_mut().unwrap().remove("logging");
    assert_eq!(without, others);
    assert_eq!(merged(&with, &[stored(route("1", &["127.0.0.1:1"]))]), with, "twice is once");
}

#[test]
fn a_server_of_others_on_the_same_address_takes_the_routes_first() {
    let others = json!({ "apps": { "http": { "servers": {
        "srv0": { "listen": [":8080"], "routes": [{ "match": [{ "host": ["b"] }] }] },
    } } } });
    let with = merged(&others, &[stored(route("1", &["127.0.0.1:1"]))]);
    let routes = with["apps"]["http"]["servers"]["srv0"]["routes"].as_array().unwrap();
    assert_eq!(routes.len(), 2);
    assert_eq!(routes[0]["@id"], "landfall:route:app.dev.web");
    assert_eq!(with["apps"]["http"]["servers"].as_object().unwrap().len(), 1);
    assert_eq!(merged(&with, &[])["apps"], others["apps"]);
}

#[test]
fn a_release_that_takes_over_changes_nothing() {
    let folder = Folder::new("/state/caddy");
    let setting = Setting { folder: &folder, token: "secret", version: Version::new(2, 6, 2) };
    let old = stored(route("1", &["127.0.0.1:1"]));
    let mut new = old.clone();
    new.route.pools = vec![share("2", &["127.0.0.1:2"], 1)];
    new.sides.assign(&new.route.pools);
    let config = merge(&json!({}), &[old], setting).unwrap();
    assert_eq!(merge(&config, &[new], setting).unwrap(), config);
}

#[test]
fn named_hosts_and_longer_prefixes_come_first() {
    let with = |id: &str, host: &str, prefix: &str| {
        let mut route = route("1", &["127.0.0.1:1"]);
        (route.id, route.host, route.prefix) = (id.to_owned(), host.to_owned(), prefix.to_owned());
        stored(route)
    };
    let routes = [with("1", "*", "/"), with("2", "*", "/api"), with("3", "a", "/"), with("4", "a", "/x/y")];
    let config = merged(&json!({}), &routes);
    let servers = &config["apps"]["http"]["servers"]["landfall-127.0.0.1-8080"];
    let ids: Vec<&str> =
        servers["routes"].as_array().unwrap().iter().filter_map(|route| route["@id"].as_str()).collect();
    assert_eq!(ids, ["landfall:route:4", "landfall:route:3", "landfall:route:2", "landfall:route:1"]);
    assert_eq!(servers["routes"][0]["match"][0]["path"], json!(["/x/y", "/x/y/*"]));
}

#[test]
fn one_address_is_for_http_or_https() {
    let plain = stored(route("1", &["127.0.0.1:1"]));
    let mut secure = route("1", &["127.0.0.1:2"]);
    secure.id = "other/dev/web".to_owned();
    secure.listen = "127.0.0.1:8081".parse().unwrap();
    secure.tls = Some(landfall_model::Tls {
        listen: "127.0.0.1:8080".to_owned(),
        certificate: landfall_model::Certificate::Internal,
        redirect: true,
        hsts: None,
    });
    let folder = Folder::new("/state/caddy");
    let setting = Setting { folder: &folder, token: "secret", version: Version::new(2, 6, 2) };
    assert!(merge(&json!({}), &[plain, stored(secure)], setting).unwrap_err().contains("127.0.0.1:8080"));
}

#[test]
fn the_internal_authority_stays_out_of_the_systems_trust_store() {
    let mut secure = route("1", &["127.0.0.1:2"]);
    secure.tls = Some(landfall_model::Tls {
        listen: "127.0.0.1:8443".to_owned(),
        certificate: landfall_model::Certificate::Internal,
        redirect: true,
        hsts: None,
    });
    let with = merged(&json!({}), &[stored(secure)]);
    let local = &with["apps"]["pki"]["certificate_authorities"]["local"];
    assert_eq!(local["install_trust"], false);
    assert!(merged(&with, &[])["apps"].get("pki").is_none());
    let others = json!({ "apps": { "pki": { "certificate_authorities": { "local": { "name": "x" } } } } });
    assert_eq!(merged(&others, &[])["apps"]["pki"], others["apps"]["pki"]);
}

#[test]
fn whether_a_server_listens_somewhere() {
    let listens =
        |text: &str, address: &str| server::listens(&json!({ "listen": [text] }), address.parse().unwrap());
    assert!(listens(":443", "127.0.0.1:443"));
    assert!(listens("tcp/127.0.0.1:443", "127.0.0.1:443"));
    assert!(listens("127.0.0.1:443", "0.0.0.0:443"));
    assert!(listens("0.0.0.0:80-90", "127.0.0.1:85"));
    assert!(!listens("127.0.0.2:443", "127.0.0.1:443"));
    assert!(!listens(":8443", "127.0.0.1:443"));
    assert!(!listens("unix//run/x.sock", "127.0.0.1:443"));
}
