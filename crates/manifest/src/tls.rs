//! HTTPS of an environment: where certificates come from, with the defaults, and what of it goes together.

use std::net::IpAddr;
use std::path::Path;

use landfall_model::{Acme, Certificate, Challenge, Millis, Route, SourceSpan, Tls, overlap};

use crate::load::Context;
use crate::measure;
use crate::report::{Problem, Report};
use crate::tree::{Node, Table, Value};

/// Let's Encrypt's directories (letsencrypt.org/docs/acme-protocol-updates, …/staging-environment).
const PRODUCTION: &str = "https://acme-v02.api.letsencrypt.org/directory";
const STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";
/// `hsts = true`: a year, without subdomains and without preloading.
const YEAR: Millis = Millis::seconds(365 * 24 * 60 * 60);
/// Names at the end that no public authority may certify (RFC 6761, 6762, 7686, 8375, 9476; `internal` by ICANN).
const PRIVATE: [&str; 10] = [
    "localhost",
    "local",
    "internal",
    "test",
    "example",
    "invalid",
    "onion",
    "home.arpa",
    "alt",
    "localdomain",
];

/// What goes with each source, beside what goes with all.
const KEYS: [(&str, &[&str]); 4] = [
    ("off", &[]),
    ("internal", &[]),
    ("acme", &["email", "directory", "authority", "challenges", "on_demand"]),
    ("files", &["certificate", "key"]),
];
const OF_ALL: [&str; 5] = ["from", "listen", "redirect", "hsts", "certificate"];

/// HTTPS as the environment wants it for all of its routes.
pub(crate) struct Https {
    /// What routes carry.
    pub(crate) tls: Tls,
    /// Where the manifest says so.
    pub(crate) at: SourceSpan,
}

/// Whether requests come from everywhere unless said: with a certificate that the world believes.
pub(crate) fn is_public(here: &Table) -> bool {
    matches!(source(here), Some("acme" | "files"))
}

/// Where certificates come from: `off`, `internal`, `acme` or `files`.
fn source(here: &Table) -> Option<&str> {
    let node = here.get("tls")?;
    match &node.value {
        Value::Text(word) => Some(word),
        Value::Table(table) => table.text("from").or_else(|| table.entry("certificate").map(|_| "files")),
        _ => None,
    }
}

/// Reads `tls`, with what its single values do not have wrong with them; `None` when it is off.
pub(crate) fn read(here: &Table, plain: &str, context: &Context<'_>, report: &mut Report) -> Option<Https> {
    let node = here.get("tls")?;
    let empty = Table::default();
    let table = node.table().unwrap_or(&empty);
    if node.table().is_some() {
        combinations(table, node.span, report);
    }
    let certificate = match source(here)? {
        "internal" => Certificate::Internal,
        "acme" => Certificate::Acme(acme(table, context, report)),
        "files" => Certificate::Files {
            certificate: file(table, "certificate", context, report)?,
            key: file(table, "key", context, report)?,
        },
        _ => return None,
    };
    let listen = table.text("listen").map_or_else(|| beside(plain), str::to_owned);
    if plain.parse().ok().zip(listen.parse().ok()).is_some_and(|(plain, listen)| overlap(plain, listen)) {
        let at = table.get("listen").map_or(node.span, |node| node.span);
        report.add(
            Problem::error(format!("HTTPS and plain HTTP cannot both be at {listen}"))
                .at(at, "")
                .help("give `listen` of the environment, which is plain HTTP's, another port"),
        );
    }
    let hsts = match table.get("hsts").map(|node| &node.value) {
        Some(Value::Flag(true)) => Some(YEAR),
        Some(Value::Text(text)) => measure::duration(text),
        _ => None,
    };
    if let (Some(_), Certificate::Internal, Some(entry)) = (hsts, &certificate, table.entry("hsts")) {
        report.add(
            Problem::warning(
                "browsers will refuse plain HTTP for this host, on any port, until that time is over",
            )
            .at(entry.at, "")
            .help("with `internal` certificates leave it out"),
        );
    }
    let redirect = !matches!(table.get("redirect"), Some(Node { value: Value::Flag(false), .. }));
    Some(Https { tls: Tls { listen, certificate, redirect, hsts }, at: node.span })
}

/// HTTPS's address beside that of plain HTTP: 443 beside 80, else 8443.
fn beside(plain: &str) -> String {
    let (address, port) = plain.rsplit_once(':').unwrap_or((plain, ""));
    format!("{address}:{}", if port == "80" { "443" } else { "8443" })
}

fn combinations(table: &Table, at: SourceSpan, report: &mut Report) {
    let from = table.text("from");
    let has_files = table.entry("certificate").is_some() || table.entry("key").is_some();
    let source = match (from, has_files) {
        (Some(word), _) => word,
        (None, true) => "files",
        (None, false) => {
            let problem = Problem::error("`tls` does not say where certificates come from").at(at, "");
            report.add(
                problem
                    .help("add `from = \"acme\"` or `from = \"internal\"`, or name `certificate` and `key`"),
            );
            return;
        }
    };
    // A word that is not known has been reported.
    let Some((_, own)) = KEYS.iter().find(|(known, _)| *known == source) else { return };
    for entry in &table.entries {
        let key = entry.key.as_str();
        if own.contains(&key) || (OF_ALL.contains(&key) && key != "certificate") {
            continue;
        }
        let Some((home, _)) = KEYS.iter().find(|(_, keys)| keys.contains(&key)) else { continue };
        let problem = Problem::error(match source {
            "files" => format!("`{key}` means nothing with certificates from files"),
            _ => format!("`{key}` means nothing with certificates from `{source}`"),
        });
        report.add(problem.at(entry.at, "").help(match *home {
            "files" => format!("remove it, or `from = \"{source}\"`"),
            home => format!("remove it; it goes with `from = \"{home}\"`"),
        }));
    }
    if source == "files" {
        for (key, other) in [("certificate", "key"), ("key", "certificate")] {
            if let (None, Some(entry)) = (table.entry(key), table.entry(other)) {
                let problem = Problem::error(format!("`{other}` without a `{key}`")).at(entry.at, "");
                report.add(problem.help(format!("add `{key} = \"tls/{key}.pem\"`")));
            }
        }
    }
}

fn acme(table: &Table, context: &Context<'_>, report: &mut Report) -> Acme {
    let directory = match table.text("directory") {
        None | Some("production") => PRODUCTION,
        Some("staging") => STAGING,
        Some(url) => url,
    };
    let challenge = |node: &Node| match node.text()? {
        "http-01" => Some(Challenge::Http01),
        "tls-alpn-01" => Some(Challenge::TlsAlpn01),
        _ => None,
    };
    let mut challenges: Vec<Challenge> = Vec::new();
    for node in table.get("challenges").and_then(Node::list).unwrap_or_default() {
        let Some(challenge) = challenge(node) else { continue };
        if challenges.contains(&challenge) {
            report.add(Problem::error("this challenge is named twice").at(node.span, ""));
        } else {
            challenges.push(challenge);
        }
    }
    if challenges.is_empty() {
        challenges = vec![Challenge::Http01, Challenge::TlsAlpn01];
    }
    Acme {
        directory: directory.to_owned(),
        email: table.text("email").map(str::to_owned),
        authority: file(table, "authority", context, report),
        challenges,
        on_demand: table.text("on_demand").map(str::to_owned),
    }
}

/// The absolute path of a file that the manifest names; one that is not there is a problem of this machine.
fn file(table: &Table, key: &str, context: &Context<'_>, report: &mut Report) -> Option<String> {
    let node = table.get(key)?;
    let path = context.root.join(node.text()?);
    if !(context.is_file)(&path) {
        report.add(
            Problem::missing(format!("there is no file `{}`", tidy(&path)))
                .at(node.span, "")
                .help("name a file of this machine; a relative path starts at the manifest's folder"),
        );
    }
    Some(tidy(&path))
}

fn tidy(path: &Path) -> String {
    path.components().collect::<std::path::PathBuf>().display().to_string()
}

/// The route's own HTTPS. Adds a problem where no certificate can be had for its host.
pub(crate) fn for_route(https: &Https, host: &str, said: Option<SourceSpan>, report: &mut Report) -> Tls {
    let mut tls = https.tls.clone();
    let Certificate::Acme(acme) = &mut tls.certificate else { return tls };
    let public = matches!(acme.directory.as_str(), PRODUCTION | STAGING);
    let why = if host == "*" {
        acme.on_demand.is_none().then(|| "`*` is no host name".to_owned())
    } else {
        acme.on_demand = None;
        no_certificate(host, public)
    };
    if let Some(why) = why {
        let problem = Problem::error(format!("no certificate can be had for `{host}`: {why}"));
        let problem = match said {
            Some(at) => problem.at(at, "").at(https.at, "asked for here"),
            None => problem.at(https.at, "the environment says no `domain`, so it is this"),
        };
        report.add(problem.help(match host {
            "*" => "name the hosts, or say with `on_demand` who is asked whether a host may have one",
            _ => "give it a `domain` that the world knows, or use `tls = \"internal\"`",
        }));
    }
    tls
}

/// Why no authority, or no public one, certifies this host.
fn no_certificate(host: &str, public: bool) -> Option<String> {
    if host.parse::<IpAddr>().is_ok() {
        return Some("it is an IP address".to_owned());
    }
    if !public {
        return None;
    }
    let below = |end: &&&str| host == **end || host.ends_with(&format!(".{end}"));
    if let Some(end) = PRIVATE.iter().find(below) {
        return Some(format!("names below `{end}` are nobody's"));
    }
    (!host.contains('.')).then(|| "it is a name of one part, known in a private network at most".to_owned())
}

/// Warns when certificates on demand are wanted and no route takes any host.
pub(crate) fn check_on_demand(here: &Table, routes: &[Option<Route>], report: &mut Report) {
    let Some(entry) = here.table("tls").and_then(|table| table.entry("on_demand")) else { return };
    if source(here) == Some("acme") && !routes.iter().flatten().any(|route| route.host == "*") {
        let problem = Problem::warning("`on_demand` does nothing: no service takes every host");
        report.add(problem.at(entry.at, "").help("give one `domain = \"*\"`"));
    }
}
