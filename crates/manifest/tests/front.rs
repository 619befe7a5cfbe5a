//! What stands in front of services: HTTPS, the proxy, what is done to requests; meaning and mistakes.

mod common;

use common::{drawn_for, load_for};
use insta::assert_snapshot;
use landfall_model::{Acme, Certificate, Challenge, Millis, Protocol, Proxy, Route};

const DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";

fn text(environment: &str, service: &str) -> String {
    format!("name = \"app\"\n[service.web]\nrun = \"serve\"\n{service}\n[environment.p]\n{environment}\n")
}

fn route_of(text: &str) -> Route {
    let loaded = load_for(text, "p").unwrap_or_else(|d| panic!("{}", common::draw(&d)));
    let service = loaded.resolved.services.into_iter().next();
    service.and_then(|service| service.spec.route).expect("a service with a route")
}

fn route(environment: &str) -> Route {
    route_of(&text(environment, ""))
}

fn drawn(environment: &str) -> String {
    drawn_for(&text(environment, ""), "p")
}

#[test]
fn internal_certificates_are_for_this_machine() {
    let route = route("tls = \"internal\"");
    let tls = route.tls.clone().unwrap();
    assert_eq!((route.listen.as_str(), tls.listen.as_str()), ("127.0.0.1:8080", "127.0.0.1:8443"));
    assert_eq!((tls.certificate, tls.redirect, tls.hsts), (Certificate::Internal, true, None));
    assert_eq!(route.url(), "https://p.app.localhost:8443");
    assert_eq!(self::route("tls = \"off\"").tls, None);
}

#[test]
fn acme_is_for_the_world() {
    let route = route("tls = \"acme\"\ndomain = \"app.example.com\"");
    let tls = route.tls.clone().unwrap();
    assert_eq!((route.listen.as_str(), tls.listen.as_str()), ("0.0.0.0:80", "0.0.0.0:443"));
    let expected = Acme {
        directory: DIRECTORY.to_owned(),
        email: None,
        authority: None,
        challenges: vec![Challenge::Http01, Challenge::TlsAlpn01],
        on_demand: None,
    };
    assert_eq!((tls.certificate, tls.redirect, tls.hsts), (Certificate::Acme(expected), true, None));
    assert_eq!(route.url(), "https://app.example.com");
}

#[test]
fn every_key_of_acme_reaches_the_route() {
    let lines = concat!(
        "listen = \"127.0.0.1:5002\"\ndomain = \"*\"\n[environment.p.tls]\nfrom = \"acme\"\nemail = \"a@b.c\"\n",
        "directory = \"https://127.0.0.1:14000/dir\"\nauthority = \"pki/ca.pem\"\nchallenges = [\"tls-alpn-01\"]\n",
        "on_demand = \"/allowed\"\nlisten = \"127.0.0.1:5001\"\nredirect = false\nhsts = \"30d\"\n",
    );
    let tls = route(lines).tls.unwrap();
    assert_eq!((tls.listen.as_str(), tls.redirect), ("127.0.0.1:5001", false));
    assert_eq!(tls.hsts, Some(Millis::seconds(30 * 24 * 3600)));
    let Certificate::Acme(acme) = tls.certificate else { panic!("no ACME") };
    assert_eq!((acme.email.as_deref(), acme.authority.as_deref()), (Some("a@b.c"), Some("/p/pki/ca.pem")));
    assert_eq!(
        (acme.directory.as_str(), acme.on_demand.as_deref()),
        ("https://127.0.0.1:14000/dir", Some("/allowed"))
    );
    assert_eq!(acme.challenges, [Challenge::TlsAlpn01]);
}

#[test]
fn only_routes_of_any_host_ask_for_certificates_on_demand() {
    let text = concat!(
        "name = \"app\"\n[service.web]\nrun = \"x\"\ndomain = \"*\"\n[service.api]\nrun = \"x\"\ndomain = \"a.example.com\"\n",
        "[environment.p]\ntls = { from = \"acme\", directory = \"staging\", on_demand = \"/ok\", hsts = true }\n",
    );
    let services = load_for(text, "p").unwrap().resolved.services;
    let demand: Vec<_> = services.iter().map(|s| s.spec.route.clone().unwrap().tls.unwrap()).collect();
    let of = |at: usize| match &demand[at].certificate {
        Certificate::Acme(acme) => acme.on_demand.clone(),
        _ => None,
    };
    assert_eq!((of(0), of(1)), (Some("/ok".to_owned()), None));
    assert_eq!(demand[0].hsts, Some(Millis::seconds(365 * 24 * 3600)));
    let Certificate::Acme(acme) = &demand[0].certificate else { panic!("no ACME") };
    assert!(acme.directory.contains("staging"));
}

#[test]
fn files_become_absolute() {
    let tls = route("tls = { certificate = \"tls/cert.pem\", key = \"/etc/ssl/../ssl/key.pem\" }\nlisten = \"10.0.0.1:80\"").tls.unwrap();
    let (certificate, key) = ("/p/tls/cert.pem".to_owned(), "/etc/ssl/../ssl/key.pem".to_owned());
    assert_eq!(tls.certificate, Certificate::Files { certificate, key });
    assert_eq!(tls.listen, "10.0.0.1:443");
}

#[test]
fn the_proxy_and_what_stands_before_it() {
    let plain = route("");
    assert!(plain.http.is_default() && plain.proxy == Proxy::Landfall);
    assert_eq!(route("proxy = \"caddy\"").proxy, Proxy::Caddy { admin: None });
    let admin = Some("127.0.0.1:2019".to_owned());
    assert_eq!(
        route("proxy = { kind = \"caddy\", admin = \"127.0.0.1:2019\" }").proxy,
        Proxy::Caddy { admin }
    );
    let behind = route("proxy = { trusted = [\"10.0.0.0/8\", \"::1\"], proxy_protocol = true }");
    let trusted: Vec<String> = behind.http.trusted.iter().map(ToString::to_string).collect();
    assert_eq!((trusted.join(" ").as_str(), behind.http.proxy_protocol), ("10.0.0.0/8 ::1/128", true));
    assert_eq!(behind.proxy, Proxy::Landfall);
}

#[test]
fn every_key_of_http_reaches_the_route() {
    let lines = concat!(
        "drain = \"24h\"\nstop = { grace = \"24h\" }\n[service.web.http]\nprotocol = \"h2c\"\nbody = \"100M\"\ntimeout = \"1m\"\n",
        "errors = { 502 = \"errors/502.html\", 503 = \"errors/503.html\" }\nmaintenance = \"m.html\"\naccess_log = false\n",
    );
    let http = route_of(&text("", lines)).http;
    assert_eq!(
        (http.protocol, http.body, http.timeout),
        (Protocol::H2c, Some(100 << 20), Some(Millis::seconds(60)))
    );
    assert_eq!((http.errors[&502].as_str(), http.errors.len()), ("errors/502.html", 2));
    assert_eq!((http.maintenance.as_deref(), http.unlogged), (Some("m.html"), true));
}

#[test]
fn references_to_https_services_have_their_scheme() {
    let text = concat!(
        "name = \"app\"\n[service.web]\nrun = \"x\"\n[service.api]\nrun = \"x\"\nenv = { U = \"${service.web.url}\", H = \"${service.web.host}\" }\n",
        "[environment.p]\ntls = \"internal\"\n",
    );
    let services = load_for(text, "p").unwrap().resolved.services;
    let env = |key: &str| services[1].spec.env[key].to_string();
    assert_eq!([env("U"), env("H")], ["https://p.app.localhost:8443", "p.app.localhost"]);
}

#[test]
fn hosts_that_nobody_certifies() {
    assert_snapshot!(drawn("tls = \"acme\""), @r#"
    error: no certificate can be had for `p.app.localhost`: names below `localhost` are nobody's
      6 | tls = "acme"
        |       ^^^^^^ the environment says no `domain`, so it is this
      help: give it a `domain` that the world knows, or use `tls = "internal"`
    "#);
    assert_snapshot!(drawn("tls = \"acme\"\ndomain = \"*\""), @r#"
    error: no certificate can be had for `*`: `*` is no host name
      7 | domain = "*"
        |          ^^^
      6 | tls = "acme"
        |       ^^^^^^ asked for here
      help: name the hosts, or say with `on_demand` who is asked whether a host may have one
    "#);
    assert_snapshot!(drawn("tls = \"acme\"\ndomain = \"10.0.0.1\""), @r#"
    error: no certificate can be had for `10.0.0.1`: it is an IP address
      7 | domain = "10.0.0.1"
        |          ^^^^^^^^^^
      6 | tls = "acme"
        |       ^^^^^^ asked for here
      help: give it a `domain` that the world knows, or use `tls = "internal"`
    "#);
    assert_snapshot!(drawn("tls = \"acme\"\ndomain = \"intranet\""), @r#"
    error: no certificate can be had for `intranet`: it is a name of one part, known in a private network at most
      7 | domain = "intranet"
        |          ^^^^^^^^^^
      6 | tls = "acme"
        |       ^^^^^^ asked for here
      help: give it a `domain` that the world knows, or use `tls = "internal"`
    "#);
    assert_snapshot!(drawn_for(&text("tls = \"acme\"\ndomain = \"a.example.com\"", "domain = \"web.home.arpa\""), "p"), @r#"
    error: no certificate can be had for `web.home.arpa`: names below `home.arpa` are nobody's
      4 | domain = "web.home.arpa"
        |          ^^^^^^^^^^^^^^^
      6 | tls = "acme"
        |       ^^^^^^ asked for here
      help: give it a `domain` that the world knows, or use `tls = "internal"`
    "#);
    // An authority of one's own may know such names.
    assert_eq!(drawn("tls = { from = \"acme\", directory = \"https://ca.internal/dir\" }"), "fine");
    assert_snapshot!(drawn("tls = { from = \"acme\", on_demand = \"/ok\" }\ndomain = \"a.example.com\""), @r#"
    warning: `on_demand` does nothing: no service takes every host
      6 | tls = { from = "acme", on_demand = "/ok" }
        |                        ^^^^^^^^^
      help: give one `domain = "*"`
    "#);
}

#[test]
fn what_of_tls_goes_together() {
    assert_snapshot!(drawn("tls = {}"), @r#"
    error: `tls` does not say where certificates come from
      6 | tls = {}
        |       ^^
      help: add `from = "acme"` or `from = "internal"`, or name `certificate` and `key`
    "#);
    assert_snapshot!(drawn("tls = { certificate = \"a.pem\" }"), @r#"
    error: `certificate` without a `key`
      6 | tls = { certificate = "a.pem" }
        |         ^^^^^^^^^^^
      help: add `key = "tls/key.pem"`
    "#);
    assert_snapshot!(drawn("tls = { certificate = \"nowhere.pem\", key = \"b.pem\" }"), @r#"
    missing: there is no file `/p/nowhere.pem`
      6 | tls = { certificate = "nowhere.pem", key = "b.pem" }
        |                       ^^^^^^^^^^^^^
      help: name a file of this machine; a relative path starts at the manifest's folder
    "#);
    assert_snapshot!(drawn("tls = { from = \"internal\", certificate = \"a.pem\", key = \"b.pem\", email = \"a@b.c\" }"), @r#"
    error: `certificate` means nothing with certificates from `internal`
      6 | tls = { from = "internal", certificate = "a.pem", key = "b.pem", email = "a@b.c" }
        |                            ^^^^^^^^^^^
      help: remove it, or `from = "internal"`
    error: `key` means nothing with certificates from `internal`
      6 | tls = { from = "internal", certificate = "a.pem", key = "b.pem", email = "a@b.c" }
        |                                                   ^^^
      help: remove it, or `from = "internal"`
    error: `email` means nothing with certificates from `internal`
      6 | tls = { from = "internal", certificate = "a.pem", key = "b.pem", email = "a@b.c" }
        |                                                                  ^^^^^
      help: remove it; it goes with `from = "acme"`
    "#);
    assert_snapshot!(drawn("tls = { certificate = \"a.pem\", key = \"b.pem\", on_demand = \"/x\" }"), @r#"
    error: `on_demand` means nothing with certificates from files
      6 | tls = { certificate = "a.pem", key = "b.pem", on_demand = "/x" }
        |                                               ^^^^^^^^^
      help: remove it; it goes with `from = "acme"`
    "#);
}

#[test]
fn what_of_tls_is_wrong() {
    assert_snapshot!(drawn("tls = { from = \"internal\", listen = \"127.0.0.1:8080\", hsts = true }"), @r#"
    error: HTTPS and plain HTTP cannot both be at 127.0.0.1:8080
      6 | tls = { from = "internal", listen = "127.0.0.1:8080", hsts = true }
        |                                     ^^^^^^^^^^^^^^^^
      help: give `listen` of the environment, which is plain HTTP's, another port
    warning: browsers will refuse plain HTTP for this host, on any port, until that time is over
      6 | tls = { from = "internal", listen = "127.0.0.1:8080", hsts = true }
        |                                                       ^^^^
      help: with `internal` certificates leave it out
    "#);
    let everywhere = drawn("tls = { from = \"internal\", listen = \"0.0.0.0:8080\" }");
    assert!(everywhere.contains("cannot both be at 0.0.0.0:8080"), "{everywhere}");
    assert_snapshot!(drawn("tls = { from = \"letsencrypt\", email = \"ops\", directory = \"http://a.b/dir\", challenges = [\"dns-01\"] }\ndomain = \"a.example.com\""), @r#"
    error: `from`: `letsencrypt` is not known
      6 | tls = { from = "letsencrypt", email = "ops", directory = "http://a.b/dir", challenges = ["dns-01"] }
        |                ^^^^^^^^^^^^^ expected one of `off`, `internal` and `acme`
    error: `email`: `ops` is not a mail address
      6 | tls = { from = "letsencrypt", email = "ops", directory = "http://a.b/dir", challenges = ["dns-01"] }
        |                                       ^^^^^ expected a mail address
    error: `directory`: `http://a.b/dir` is no ACME directory
      6 | tls = { from = "letsencrypt", email = "ops", directory = "http://a.b/dir", challenges = ["dns-01"] }
        |                                                          ^^^^^^^^^^^^^^^^ expected `production`, `staging` or an https URL
      help: ACME speaks HTTPS alone (RFC 8555, 6.1): write https://…
    error: `challenges`: `dns-01` is not known
      6 | tls = { from = "letsencrypt", email = "ops", directory = "http://a.b/dir", challenges = ["dns-01"] }
        |                                                                                          ^^^^^^^^ expected one of `http-01` and `tls-alpn-01`
    "#);
    assert_snapshot!(drawn("tls = { from = \"acme\", challenges = [\"http-01\", \"http-01\"] }\ndomain = \"a.example.com\""), @r#"
    error: this challenge is named twice
      6 | tls = { from = "acme", challenges = ["http-01", "http-01"] }
        |                                                 ^^^^^^^^^
    "#);
    assert_snapshot!(drawn("tls = true"), @r#"
    error: `tls`: expected one of `off`, `internal` and `acme` or a table, found a boolean
      6 | tls = true
        |       ^^^^
    "#);
}

#[test]
fn what_of_the_proxy_goes_together() {
    assert_snapshot!(drawn("proxy = { proxy_protocol = true }"), @r#"
    error: `proxy_protocol` would let anybody say who they are
      6 | proxy = { proxy_protocol = true }
        |           ^^^^^^^^^^^^^^
      help: add `trusted`: the addresses of the proxies that begin connections with it
    "#);
    assert_snapshot!(drawn("proxy = { admin = \"127.0.0.1:2019\" }"), @r#"
    error: `admin` belongs to `caddy`
      6 | proxy = { admin = "127.0.0.1:2019" }
        |           ^^^^^
      help: remove it, or add `kind = "caddy"`
    "#);
    assert_snapshot!(drawn("proxy = { kind = \"nginx\", trusted = [\"10.0.0.0/40\"] }"), @r#"
    error: `kind`: `nginx` is not known
      6 | proxy = { kind = "nginx", trusted = ["10.0.0.0/40"] }
        |                  ^^^^^^^ expected one of `landfall` and `caddy`
    error: `trusted`: `10.0.0.0/40` is no address and no range of them such as `10.0.0.0/8`
      6 | proxy = { kind = "nginx", trusted = ["10.0.0.0/40"] }
        |                                      ^^^^^^^^^^^^^ expected an address, or a range of them
    "#);
}

#[test]
fn pages_must_be_there() {
    let http = |lines: &str| drawn_for(&text("", &format!("http = {{ {lines} }}")), "p");
    assert_snapshot!(http("errors = { 502 = \"nowhere.html\", 200 = \"a.html\" }, maintenance = \"../m.html\""), @r#"
    error: there is no file `nowhere.html` below `.`
      4 | http = { errors = { 502 = "nowhere.html", 200 = "a.html" }, maintenance = "../m.html" }
        |                           ^^^^^^^^^^^^^^
      help: write the page, or add the `build` that makes it
    error: `200` is no status of an error
      4 | http = { errors = { 502 = "nowhere.html", 200 = "a.html" }, maintenance = "../m.html" }
        |                                           ^^^ expected a status from 400 to 599
      help: the proxy itself answers with 400 to 599, such as 502, 503 and 504
    error: `maintenance`: `../m.html` leads out of the project
      4 | http = { errors = { 502 = "nowhere.html", 200 = "a.html" }, maintenance = "../m.html" }
        |                                                                           ^^^^^^^^^^^ expected a path inside the project
      help: put the manifest in a folder that holds all of the source
    "#);
    assert_snapshot!(http("maintenance = \"nowhere.html\", body = \"1.5G\", protocol = \"h3\""), @r#"
    error: there is no file `nowhere.html` below `.`
      4 | http = { maintenance = "nowhere.html", body = "1.5G", protocol = "h3" }
        |                        ^^^^^^^^^^^^^^
      help: write the page, or add the `build` that makes it
    error: `body`: `1.5G` is not a size
      4 | http = { maintenance = "nowhere.html", body = "1.5G", protocol = "h3" }
        |                                               ^^^^^^
      help: write a whole number with K, M, G or T, as in "256M"
    error: `protocol`: `h3` is not known
      4 | http = { maintenance = "nowhere.html", body = "1.5G", protocol = "h3" }
        |                                                                  ^^^^ expected one of `http1` and `h2c`
    "#);
    let built = "build = \"make\"\nhttp = { maintenance = \"nowhere.html\" }";
    assert_eq!(drawn_for(&text("", built), "p"), "fine");
    let site = "name = \"app\"\n[service.s]\nkind = \"site\"\nhttp = { body = \"1M\", errors = { 404 = \"nowhere.html\" } }\n[environment.p]\n";
    assert_snapshot!(drawn_for(site, "p"), @r#"
    warning: `body` does nothing: a site has no instances
      4 | http = { body = "1M", errors = { 404 = "nowhere.html" } }
        |          ^^^^
    error: there is no file `nowhere.html` below `.`
      4 | http = { body = "1M", errors = { 404 = "nowhere.html" } }
        |                                        ^^^^^^^^^^^^^^
      help: write the page, or add the `build` that makes it
    "#);
    let worker = "name = \"app\"\n[service.w]\nkind = \"worker\"\nrun = \"x\"\nhttp = { body = \"1M\" }\n[environment.p]\n";
    assert_snapshot!(drawn_for(worker, "p"), @r#"
    warning: `http` does nothing: no requests come to a worker
      5 | http = { body = "1M" }
        | ^^^^
    "#);
}
