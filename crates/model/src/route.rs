//! Where requests for a service come in, and what happens to them on their way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Millis, Network};

/// Where requests for a service come in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Route {
    /// The address the proxy listens on for plain HTTP: `127.0.0.1:8080`, `0.0.0.0:80`, `[::]:80`.
    pub listen: String,
    /// The host name, lower case, without a port; `*` for any that no other route names.
    pub host: String,
    /// The path prefix, starting with `/`; matches whole segments (`/api` takes `/api` and `/api/x`, not `/apis`).
    pub prefix: String,
    /// Whether the prefix is taken off before the request goes on.
    pub strip: bool,
    /// Limits on requests held while a `restart` replaces the instance.
    pub hold: HoldLimits,
    /// HTTPS beside plain HTTP; `None` for plain HTTP alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// What happens to requests on their way.
    #[serde(default, skip_serializing_if = "Http::is_default")]
    pub http: Http,
    /// Which proxy serves it.
    #[serde(default, skip_serializing_if = "Proxy::is_default")]
    pub proxy: Proxy,
}

/// The proxy that serves a route.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Proxy {
    /// Landfall's own.
    #[default]
    Landfall,
    /// A Caddy on the host, driven through its admin API.
    Caddy {
        /// The admin API of a Caddy that runs already, `127.0.0.1:2019`; `None`: one that Landfall starts.
        admin: Option<String>,
    },
}

impl Proxy {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Route {
    /// The URL a person types, without a trailing slash: `http://guestbook.localhost:8080/api`.
    #[must_use]
    pub fn url(&self) -> String {
        let (scheme, listen, usual) = match &self.tls {
            Some(tls) => ("https", &tls.listen, "443"),
            None => ("http", &self.listen, "80"),
        };
        let (address, port) = listen.rsplit_once(':').unwrap_or((listen.as_str(), usual));
        let host = match (self.host.as_str(), address) {
            ("*", "0.0.0.0" | "[::]") => "localhost",
            ("*", address) => address,
            (host, _) => host,
        };
        let port = if port == usual { String::new() } else { format!(":{port}") };
        format!("{scheme}://{host}{port}{}", self.prefix.trim_end_matches('/'))
    }
}

/// Limits on requests held; a request over one of them gets 503 with `Retry-After`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HoldLimits {
    /// Requests held at once.
    pub requests: u32,
    /// Bytes of bodies buffered for held requests, all together.
    pub bytes: u64,
    /// The longest a request is held.
    pub time: Millis,
}

impl Default for HoldLimits {
    fn default() -> Self {
        Self { requests: 10_000, bytes: 64 * 1024 * 1024, time: Millis::seconds(60) }
    }
}

/// HTTPS of a route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Tls {
    /// The address the proxy listens on for HTTPS: `127.0.0.1:8443`, `0.0.0.0:443`.
    pub listen: String,
    /// Where the certificate comes from.
    pub certificate: Certificate,
    /// Whether plain HTTP is answered with a redirect to HTTPS.
    pub redirect: bool,
    /// How long browsers are told to use HTTPS alone (`Strict-Transport-Security`, RFC 6797); `None`: they are not told.
    pub hsts: Option<Millis>,
}

/// Where a certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Certificate {
    /// The host's own authority, which `landfall trust` makes browsers of this machine believe.
    Internal,
    /// Files on the host, which somebody else renews; a change of them is noticed.
    Files {
        /// The chain in PEM form, the host's certificate first; absolute.
        certificate: String,
        /// Its key in PEM form; absolute.
        key: String,
    },
    /// An ACME server (RFC 8555).
    Acme(Acme),
}

/// How certificates are had from an ACME server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Acme {
    /// The server's directory, an `https` URL.
    pub directory: String,
    /// Whom the server tells of problems.
    pub email: Option<String>,
    /// Certificates in PEM form that the server's own is checked against, instead of the well-known ones; absolute.
    pub authority: Option<String>,
    /// The ways in which the host is proved to be ours, the first that works.
    pub challenges: Vec<Challenge>,
    /// The path of the service that is asked, with `?domain=HOST`, whether there may be a certificate for a host that is
    /// only known from a client's handshake; 200 allows it. `None`: for the route's own host alone.
    pub on_demand: Option<String>,
}

/// A way of proving that a host is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Challenge {
    /// An answer under `/.well-known/acme-challenge/` on port 80 (RFC 8555, section 8.3).
    #[serde(rename = "http-01")]
    Http01,
    /// A certificate shown on port 443 (RFC 8737).
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
}

/// What happens to requests on their way.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Http {
    /// What instances speak.
    #[serde(default, skip_serializing_if = "Protocol::is_default")]
    pub protocol: Protocol,
    /// The most bytes a request's body may have; `None` is no limit of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<u64>,
    /// For an instance to begin its answer while nothing of the request moves; `None`: ten minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Millis>,
    /// Proxies in front whose word on a client's address and protocol is taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted: Vec<Network>,
    /// Whether those proxies begin each connection with the PROXY protocol (version 1 or 2).
    #[serde(default, skip_serializing_if = "is_false")]
    pub proxy_protocol: bool,
    /// Pages of the application's own for what the proxy itself answers, by status: files of its artifact.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<u16, String>,
    /// The page that is shown during maintenance: a file of its artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<String>,
    /// Whether its requests are left out of the access log.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unlogged: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Http {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What instances speak.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 without TLS, known beforehand (RFC 9113, section 3.3): gRPC.
    H2c,
}

impl Protocol {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_names_no_port_that_goes_without_saying() {
        let tls = |listen: &str| Tls {
            listen: listen.to_owned(),
            certificate: Certificate::Internal,
            redirect: true,
            hsts: None,
        };
        let url = |listen: &str, host: &str, tls| {
            let route = Route {
                listen: listen.to_owned(),
                host: host.to_owned(),
                prefix: "/".to_owned(),
                strip: false,
                hold: HoldLimits::default(),
                tls,
                http: Http::default(),
                proxy: Proxy::default(),
            };
            route.url()
        };
        assert_eq!(url("0.0.0.0:80", "a.example", None), "http://a.example");
        assert_eq!(url("[::]:8080", "*", None), "http://localhost:8080");
        assert_eq!(url("0.0.0.0:80", "a.example", Some(tls("0.0.0.0:443"))), "https://a.example");
        assert_eq!(url("127.0.0.1:8080", "*", Some(tls("127.0.0.1:8443"))), "https://127.0.0.1:8443");
    }
}
