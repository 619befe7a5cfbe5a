//! One route in Caddy's words. It names no instance and no release: those are looked up in the route's folder.

use serde_json::{Value, json};

use landfall_model::{Millis, Protocol, Sticky};

use super::{OURS, Setting};
use crate::folder::Stored;
use crate::route::{Backend, Route};
use crate::table::{IN_ONE_NAME, SIDES, WAITING, streams_of};

/// The header that makes an answer name its pool, the one that wants a certain pool, and the one that names it.
const PROBE: &str = "X-Landfall-Probe";
const WANT: &str = "X-Landfall-Want";
const POOL: &str = "X-Landfall-Pool";

/// Where Caddy's file matcher leaves which file it found.
const FOUND: &str = "{http.matchers.file.relative}";

/// How long an instance that does not accept is tried again, or another one: a supervisor starts it anew meanwhile.
const TRY: &str = "5s";
/// Between two tries.
const TRY_INTERVAL: &str = "20ms";
/// For an instance to accept.
const DIAL: &str = "3s";
/// How long one of several instances gets no requests after it did not accept.
const SHUNNED: &str = "1s";
/// Idle connections to one instance that are kept.
const IDLE: u32 = 256;

/// What stands between the folder's name and a pool's in regular expressions' names.
fn captured(stored: &Stored, side: char) -> String {
    format!("{OURS}.{}.{side}", stored.route.key())
}

/// The route, with an `@id` that ends in `suffix`. `secure` tells whether its server speaks TLS.
pub(super) fn route(stored: &Stored, setting: Setting<'_>, suffix: &str, secure: bool) -> Value {
    let route = &stored.route;
    let mut steps = vec![maintenance(stored, setting)];
    let redirects = route.tls.as_ref().filter(|tls| tls.redirect && !secure);
    if let Some(tls) = redirects {
        steps.push(redirect(&tls.listen, setting));
    }
    steps.push(draw());
    steps.push(bucket(stored));
    let mut answer: Vec<Value> = prepare(route);
    if let Some(age) = route.tls.as_ref().and_then(|tls| tls.hsts).filter(|_| secure) {
        answer.push(hsts(age));
    }
    answer.extend(remember(stored));
    answer.extend(streams(stored, setting));
    answer.extend(SIDES.into_iter().flat_map(|side| answers(stored, setting, side)));
    answer.push(waits(stored));
    steps.push(json!({
        "match": lookups(stored, setting),
        "handle": [{ "handler": "subroute", "routes": answer }],
        "terminal": true,
    }));
    steps.push(json!({ "handle": [unavailable("nobody answers for this address")] }));
    json!({
        "@id": format!("{OURS}:route:{}{suffix}", route.key()),
        "match": [matches(route)],
        "handle": [{ "handler": "subroute", "routes": steps }],
        "terminal": true,
    })
}

/// Which requests come to the route.
pub(super) fn matches(route: &Route) -> Value {
    let mut matches = json!({});
    if route.host != "*" {
        matches["host"] = json!([route.host]);
    }
    if route.prefix != "/" {
        matches["path"] = json!([route.prefix, format!("{}/*", route.prefix)]);
    }
    matches
}

/// How Go's `http.MaxBytesReader` words it, whose error comes out of Caddy 2.6 as a 502.
pub(super) const TOO_LARGE: &str = "http: request body too large";

/// What Caddy itself answers when there is an error, where the route has pages of its own.
pub(super) fn errors(stored: &Stored, setting: Setting<'_>) -> Vec<Value> {
    let pages = setting.folder.route(&stored.route.id).join("pages");
    let page = |status: &u16| {
        let mut matches = matches(&stored.route);
        matches["vars"] = json!({ "{http.error.status_code}": [status.to_string()] });
        json!({
            "match": [matches],
            "handle": [
                { "handler": "rewrite", "uri": format!("/{status}.html") },
                { "handler": "file_server", "root": pages, "status_code": status.to_string() },
            ],
            "terminal": true,
        })
    };
    stored.route.http.errors.keys().map(page).collect()
}

fn is_probe(setting: Setting<'_>) -> Value {
    json!({ PROBE: [setting.token] })
}

fn maintenance(stored: &Stored, setting: Setting<'_>) -> Value {
    let folder = setting.folder.route(&stored.route.id);
    let mut answer = vec![json!({
        "handler": "headers",
        "response": { "set": { "Retry-After": ["60"], "Cache-Control": ["no-store"] } },
    })];
    if stored.route.http.maintenance.is_some() {
        answer.push(json!({ "handler": "rewrite", "uri": "/maintenance.html" }));
        answer.push(json!({ "handler": "file_server", "root": folder.join("pages"), "status_code": "503" }));
    } else {
        answer.push(unavailable("down for maintenance"));
    }
    json!({
        "match": [{
            "file": { "root": folder, "try_files": ["/maintenance"] },
            "not": [{ "header": is_probe(setting) }],
        }],
        "handle": answer,
        "terminal": true,
    })
}

fn redirect(listen: &str, setting: Setting<'_>) -> Value {
    let port = listen.rsplit_once(':').map_or("443", |(_, port)| port);
    let port = if port == "443" { String::new() } else { format!(":{port}") };
    json!({
        "match": [{ "not": [{ "header": is_probe(setting) }] }],
        "handle": [{
            "handler": "static_response",
            "status_code": 308,
            "headers": { "Location": [format!("https://{{http.request.host}}{port}{{http.request.uri}}")] },
        }],
        "terminal": true,
    })
}

/// Draws a number for each request: the first digits of the identifier that Caddy gives it. It is made a variable first,
/// for Caddy 2.6 does not match the identifier itself.
fn draw() -> Value {
    json!({ "handle": [{ "handler": "vars", format!("{OURS}_draw"): "{http.request.uuid}" }] })
}

/// Gives each request one of 256 buckets: the one its cookie names, else any.
fn bucket(stored: &Stored) -> Value {
    let name = format!("{OURS}.{}.bucket", stored.route.key());
    let of = |what: String, pattern: &str| json!({ "vars_regexp": { what: { "name": name, "pattern": pattern } } });
    let mut sets = Vec::new();
    if let Some(Sticky::Cookie { name }) = &stored.route.sticky {
        sets.push(of(format!("{{http.request.cookie.{name}}}"), "^([0-9a-f]{2})$"));
    }
    sets.push(of(format!("{OURS}_draw"), "^(..)"));
    json!({ "match": sets })
}

/// Sets the cookie that keeps a client with a pool, while several get requests.
fn remember(stored: &Stored) -> Option<Value> {
    let Some(Sticky::Cookie { name }) = &stored.route.sticky else { return None };
    let shared = json!({ FOUND: { "name": format!("{OURS}.shared"), "pattern": "/now/b/" } });
    let known = json!({ format!("{{http.request.cookie.{name}}}"): {
        "name": format!("{OURS}.known"), "pattern": "^[0-9a-f]{2}$",
    } });
    let value = format!(
        "{name}={{http.regexp.{OURS}.{}.bucket.1}}; Path={}; HttpOnly; SameSite=Lax",
        stored.route.key(),
        stored.route.prefix
    );
    Some(json!({
        "match": [{ "vars_regexp": shared, "not": [{ "vars_regexp": known }] }],
        "handle": [{ "handler": "headers", "response": { "add": { "Set-Cookie": [value] } } }],
    }))
}

/// Where it is looked up who answers. Each place stands twice: what is found may be renamed before it is looked at, and
/// is then found under its new name.
fn lookups(stored: &Stored, setting: Setting<'_>) -> Value {
    let root = setting.folder.route(&stored.route.id);
    let now = format!("/s{}/now", stored.structure);
    let deep = stored.slots.div_ceil(IN_ONE_NAME).max(1);
    let name = "/*".repeat(deep);
    let bucket = format!("{now}/b/{{http.regexp.{OURS}.{}.bucket.1}}{name}", stored.route.key());
    let places = [bucket, format!("{now}/one{name}"), format!("{now}/held/*")];
    let twice = [&places[..], &places[..]].concat();
    // A probe does not wait, as others do in a pause.
    let probe = format!("{now}/probe{name}");
    let probes = [&places[0], &places[1], &probe, &places[0], &places[1], &probe];
    let want = format!("{now}/want/{{http.request.header.{WANT}}}{name}");
    json!([
        {
            "header": { PROBE: [setting.token], WANT: ["*"] },
            "file": { "root": root, "try_files": [want, want] },
        },
        { "header": is_probe(setting), "file": { "root": root, "try_files": probes } },
        { "file": { "root": root, "try_files": twice } },
    ])
}

/// What is done to each request before it goes on.
fn prepare(route: &Route) -> Vec<Value> {
    let mut steps = Vec::new();
    steps.push(json!({
        "match": [{ "not": [{ "header": { "X-Request-Id": ["*"] } }] }],
        "handle": [{
            "handler": "headers",
            "request": { "set": { "X-Request-Id": ["{http.request.uuid}"] } },
        }],
    }));
    let mut headers = json!({ "delete": ["X-Forwarded-Prefix"] });
    if route.http.trusted.is_empty() {
        headers["delete"] = json!(["X-Forwarded-Prefix", "Forwarded"]);
    }
    if route.strip && route.prefix != "/" {
        headers = json!({ "delete": ["Forwarded"], "set": { "X-Forwarded-Prefix": [route.prefix] } });
    }
    let mut handlers = vec![json!({ "handler": "headers", "request": headers })];
    if let Some(most) = route.http.body {
        // Who says how much comes is told at once; who does not, when it is too much.
        let length = "{http.request.header.Content-Length}";
        steps.push(json!({
            "match": [{ "expression": format!("{length} != '' && int({length}) > {most}") }],
            "handle": [{ "handler": "error", "status_code": "413", "error": TOO_LARGE }],
        }));
        handlers.push(json!({ "handler": "request_body", "max_size": most }));
    }
    steps.push(json!({ "handle": handlers }));
    steps
}

fn hsts(age: Millis) -> Value {
    let value = format!("max-age={}", age.0 / 1000);
    let headers = json!({ "deferred": true, "set": { "Strict-Transport-Security": [value] } });
    json!({ "handle": [{ "handler": "headers", "response": headers }] })
}

/// What the log says of a request: route, label, letter, Caddy's own error if it made one, whether it was a probe. Caddy
/// logs the value of one variable that a handler may set.
fn tag(stored: &Stored, side: char, name: &str) -> Value {
    let label = format!("{{http.regexp.{name}.1}}");
    let tag =
        format!("{} {label} {side} e{{http.error.status_code}} p{{http.vars.{OURS}_probe}}", stored.route.id);
    json!({
        "handler": "map",
        "source": "{http.request.method}",
        "destinations": ["{http.auth.user.id}"],
        "defaults": [tag],
    })
}

/// Requests that ask for a stream: Caddy counts what is under way by the name of the upstream, so that they go to the same
/// instances as all others by another name.
fn streams(stored: &Stored, setting: Setting<'_>) -> Option<Value> {
    let sides = SIDES.into_iter().filter_map(|side| instances(stored, setting, side, streams_of(side)));
    let sides: Vec<Value> = sides.collect();
    (!sides.is_empty()).then(|| {
        json!({
            "match": [
                { "header_regexp": { "Upgrade": { "pattern": "(?i)^websocket$" } } },
                { "header_regexp": { "Accept": { "pattern": "(?i)^text/event-stream" } } },
            ],
            "handle": [{ "handler": "subroute", "routes": sides }],
        })
    })
}

/// The routes for a pool with this letter: one for instances, one for files, as the route has them.
fn answers(stored: &Stored, setting: Setting<'_>, side: char) -> Vec<Value> {
    let route = &stored.route;
    let mut answers: Vec<Value> = instances(stored, setting, side, side).into_iter().collect();
    if route.pools.iter().any(|share| matches!(share.backend, Backend::Files(_))) {
        let root = setting.folder.route(&route.id).join("sites").join(side.to_string());
        let mut handlers: Vec<Value> = strip(route).into_iter().collect();
        handlers.extend(files(&root.to_string_lossy(), &captured(stored, side)));
        answers.push(pool(stored, setting, (side, side), &format!("/{side}~([^~/]+)~files$"), handlers));
    }
    answers
}

/// The route for the instances of a pool with this letter, whose requests are counted by the letter `counted`.
fn instances(stored: &Stored, setting: Setting<'_>, side: char, counted: char) -> Option<Value> {
    let route = &stored.route;
    route.pools.iter().any(|share| matches!(share.backend, Backend::Instances(_))).then(|| {
        let addresses = vec!["([^,/]+)"; stored.slots].join("[,/]");
        let mut handlers: Vec<Value> = strip(route).into_iter().collect();
        handlers.push(proxy(stored, setting, &captured(stored, counted), stored.slots));
        pool(stored, setting, (side, counted), &format!("/{side}~([^~/]+)~{addresses}$"), handlers)
    })
}

/// The route for whatever was found by a name of this pattern.
fn pool(
    stored: &Stored,
    setting: Setting<'_>,
    (side, counted): (char, char),
    pattern: &str,
    handlers: Vec<Value>,
) -> Value {
    let name = captured(stored, counted);
    let probe = json!({ "handler": "subroute", "routes": [{
        "match": [{ "header": is_probe(setting) }],
        "handle": [
            { "handler": "vars", format!("{OURS}_probe"): "1" },
            {
                "handler": "headers",
                "request": { "delete": [PROBE, WANT] },
                "response": {
                    "deferred": true,
                    "set": { POOL: [format!("{{http.regexp.{name}.1}}")] },
                },
            },
        ],
    }] });
    let mut handle = vec![tag(stored, side, &name), probe];
    handle.extend(handlers);
    json!({
        "match": [{ "vars_regexp": { FOUND: { "name": name, "pattern": pattern } } }],
        "handle": handle,
        "terminal": true,
    })
}

/// Serves a site's files, and its own page for what is missing. Two releases of a file may share size and time: the label
/// goes into the entity tags, and only they decide whether a client's copy is still good.
fn files(root: &str, name: &str) -> Vec<Value> {
    let label = format!("{{http.regexp.{name}.1}}-");
    let there = json!({ "root": root, "try_files": ["{http.request.uri.path}", "{http.request.uri.path}/"] });
    vec![
        json!({
            "handler": "headers",
            "request": {
                "delete": ["If-Modified-Since"],
                "replace": { "If-None-Match": [{ "search": label, "replace": "" }] },
            },
            "response": {
                "deferred": true,
                "replace": { "Etag": [{ "search_regexp": "^\"", "replace": format!("\"{label}") }] },
            },
        }),
        json!({ "handler": "encode", "encodings": { "gzip": {} }, "prefer": ["gzip"] }),
        json!({ "handler": "subroute", "routes": [{
            "match": [{
                "not": [{ "file": there }],
                "file": { "root": root, "try_files": ["/404.html"] },
            }],
            "handle": [
                { "handler": "rewrite", "uri": "/404.html" },
                { "handler": "file_server", "root": root, "status_code": "404" },
            ],
            "terminal": true,
        }] }),
        json!({ "handler": "file_server", "root": root }),
    ]
}

fn strip(route: &Route) -> Option<Value> {
    (route.strip && route.prefix != "/")
        .then(|| json!({ "handler": "rewrite", "strip_path_prefix": route.prefix }))
}

/// Requests that wait: a server of Landfall's takes them, and sends them on once somebody answers. Its connections are
/// not kept: they would lead there later.
fn waits(stored: &Stored) -> Value {
    let name = captured(stored, WAITING);
    let route = &stored.route;
    let mut handle = vec![tag(stored, WAITING, &name)];
    handle.extend(strip(route));
    handle.push(json!({
        "handler": "reverse_proxy",
        "upstreams": [{ "dial": format!("{{http.regexp.{name}.2}}") }],
        "flush_interval": -1,
        "trusted_proxies": route.http.trusted,
        "transport": { "protocol": "http", "versions": versions(route), "keep_alive": { "enabled": false } },
    }));
    json!({
        "match": [{ "vars_regexp": {
            FOUND: { "name": name, "pattern": format!("/{WAITING}~([^~/]+)~([^,/]+)$") },
        } }],
        "handle": handle,
        "terminal": true,
    })
}

fn versions(route: &Route) -> Value {
    match route.http.protocol {
        Protocol::Http1 => json!(["1.1"]),
        Protocol::H2c => json!(["h2c", "2"]),
    }
}

fn proxy(stored: &Stored, setting: Setting<'_>, name: &str, slots: usize) -> Value {
    let http = &stored.route.http;
    let upstreams: Vec<Value> =
        (0..slots).map(|slot| json!({ "dial": format!("{{http.regexp.{name}.{}}}", slot + 2) })).collect();
    let mut transport = json!({
        "protocol": "http",
        "versions": versions(&stored.route),
        "dial_timeout": DIAL,
        "keep_alive": { "enabled": true, "max_idle_conns_per_host": IDLE },
    });
    if http.answer_ms > 0 {
        transport["response_header_timeout"] = json!(format!("{}ms", http.answer_ms));
    }
    let mut proxy = json!({
        "handler": "reverse_proxy",
        "upstreams": upstreams,
        "flush_interval": -1,
        "trusted_proxies": http.trusted,
        "load_balancing": {
            "selection_policy": { "policy": "round_robin" },
            "try_duration": TRY,
            "try_interval": TRY_INTERVAL,
        },
        "transport": transport,
    });
    if slots > 1 {
        proxy["health_checks"] = json!({ "passive": { "fail_duration": SHUNNED, "max_fails": 1 } });
    }
    if setting.version.keeps_streams() {
        // Longer than any release drains: the agent ends them when their time is over.
        proxy["stream_close_delay"] = json!("24h");
    }
    proxy
}

fn unavailable(text: &str) -> Value {
    json!({
        "handler": "static_response",
        "status_code": 503,
        "headers": { "Retry-After": ["1"], "Content-Type": ["text/plain; charset=utf-8"] },
        "body": format!("{text}\n"),
    })
}
