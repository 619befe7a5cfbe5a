//! The keys of what stands in front of services: certificates, the proxy, and what it does to requests.

use super::{DAY, GIB, HOUR, key};
use crate::forms;
use crate::shape::{Key, Shape};

/// The words for where certificates come from.
pub(super) const SOURCE: Shape = Shape::Choice { now: &["off", "internal", "acme"], later: &[] };
/// The words for the proxy.
pub(super) const PROXY_KIND: Shape = Shape::Choice { now: &["landfall", "caddy"], later: &[] };

/// All that `tls` can be told; what of it goes together, `tls` says.
pub(super) static TLS: &[Key] = &[
    key(
        "from",
        "Where certificates come from; without it, from the files `certificate` and `key`.",
        r#""acme""#,
        SOURCE,
    ),
    key(
        "certificate",
        "The chain in PEM form, the host's certificate first: a file of this machine.",
        r#""tls/cert.pem""#,
        Shape::Text(&forms::FILLED),
    ),
    key("key", "Its key in PEM form.", r#""tls/key.pem""#, Shape::Text(&forms::FILLED)),
    key(
        "email",
        "Of `acme`: whom the server tells of problems.",
        r#""ops@example.com""#,
        Shape::Text(&forms::EMAIL),
    ),
    key(
        "directory",
        "Of `acme`: the server's directory; `production` and `staging` are Let's Encrypt's.",
        r#""staging""#,
        Shape::Text(&forms::DIRECTORY),
    ),
    key(
        "authority",
        "Of `acme`: the certificates, in PEM form, that the server's own is checked against.",
        r#""tls/ca.pem""#,
        Shape::Text(&forms::FILLED),
    ),
    key(
        "challenges",
        "Of `acme`: the ways in which a host is proved to be ours, the first that works.",
        r#"["http-01", "tls-alpn-01"]"#,
        Shape::List(&Shape::Choice { now: &["http-01", "tls-alpn-01"], later: &[] }, 1),
    ),
    key(
        "on_demand",
        "Of `acme`, with `domain = \"*\"`: the path of the service that is asked, with `?domain=HOST`, whether a host may \
         have a certificate; 200 allows it.",
        r#""/domains/allowed""#,
        Shape::Text(&forms::PREFIX),
    ),
    key(
        "listen",
        "The address that the proxy listens on for HTTPS.",
        r#""127.0.0.1:8443""#,
        Shape::Text(&forms::LISTEN),
    ),
    key("redirect", "Whether plain HTTP is sent on to HTTPS.", "true", Shape::Flag),
    key(
        "hsts",
        "How long browsers are to use HTTPS alone for the host; `true` is a year.",
        r#""30d""#,
        Shape::Any(&[Shape::Flag, Shape::Duration(0, 730 * DAY)]),
    ),
];

/// All that `proxy` can be told.
pub(super) static PROXY: &[Key] = &[
    key("kind", "Which one.", r#""landfall""#, PROXY_KIND),
    key(
        "admin",
        "Of `caddy`: the admin API of one that runs already; without it Landfall starts one.",
        r#""127.0.0.1:2019""#,
        Shape::Text(&forms::LISTEN),
    ),
    key(
        "trusted",
        "The proxies in front whose word on a client's address and protocol is taken.",
        r#"["10.0.0.0/8"]"#,
        Shape::List(&Shape::Text(&forms::NETWORK), 0),
    ),
    key(
        "proxy_protocol",
        "Whether these begin each connection with the PROXY protocol.",
        "true",
        Shape::Flag,
    ),
];

/// All that `http` can be told.
pub(super) static HTTP: &[Key] = &[
    key(
        "protocol",
        "What instances speak: HTTP/1.1, or HTTP/2 without TLS, as gRPC does.",
        r#""h2c""#,
        Shape::Choice { now: &["http1", "h2c"], later: &[] },
    ),
    key("body", "The most bytes of a request's body.", r#""100M""#, Shape::Size(0, 1024 * 1024 * GIB)),
    key(
        "timeout",
        "For an instance to begin its answer while nothing of the request moves.",
        r#""10m""#,
        Shape::Duration(10, 24 * HOUR),
    ),
    key(
        "errors",
        "Pages, below `path`, for what the proxy itself answers: a file for each status.",
        r#"{ 502 = "errors/502.html" }"#,
        Shape::Map(&forms::ERROR_STATUS, &Shape::Text(&forms::INSIDE)),
    ),
    key(
        "maintenance",
        "The page, below `path`, that is shown while maintenance is on.",
        r#""maintenance.html""#,
        Shape::Text(&forms::INSIDE),
    ),
    key("access_log", "Whether its requests are in the access log.", "false", Shape::Flag),
];
