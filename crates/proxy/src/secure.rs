//! What HTTPS makes of a route: where it listens, which certificate it wants, where plain requests are sent instead.

use std::net::SocketAddr;

use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use landfall_model::Tls;
use landfall_tls::Wanted;

use crate::RouteConfig;

impl RouteConfig {
    /// The address that it listens on for HTTPS. A configuration that was checked has one with its `tls`.
    pub(crate) fn secure(&self) -> Option<SocketAddr> {
        self.tls.as_ref()?.listen.parse().ok()
    }

    /// All addresses that it listens on.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        std::iter::once(self.listen).chain(self.secure())
    }

    /// The certificate that it wants.
    pub(crate) fn wanted(&self) -> Option<Wanted> {
        let (tls, listen) = (self.tls.as_ref()?, self.secure()?);
        Some(Wanted {
            listen,
            host: self.host.clone(),
            certificate: tls.certificate.clone(),
            route: self.id.clone(),
        })
    }

    /// Says what is wrong with its HTTPS, if anything is.
    pub(crate) fn check_secure(&self) -> Result<(), String> {
        let Some(tls) = &self.tls else {
            return Ok(());
        };
        match self.secure() {
            None => Err(format!(
                "the route `{}` cannot listen on `{}` for HTTPS: that is no address",
                self.id, tls.listen
            )),
            Some(secure) if secure.port() == 0 => {
                Err(format!("the route `{}` listens on port 0 for HTTPS; give it a port", self.id))
            }
            Some(_) => Ok(()),
        }
    }
}

/// The `Strict-Transport-Security` that browsers are given over HTTPS (RFC 6797, section 6.1).
pub(crate) fn hsts(tls: Option<&Tls>) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("max-age={}", tls?.hsts?.0 / 1000)).ok()
}

/// Sends a plain request to HTTPS: the same host, path and query, on the port that the route listens on. A method other
/// than GET and HEAD is kept (308 of RFC 9110, section 15.4.9); the others get the status that every client knows.
pub(crate) fn redirect(
    config: &RouteConfig,
    host: Option<&str>,
    target: &str,
    safe: bool,
) -> Option<Response<()>> {
    let secure = config.secure()?;
    let host = match (host.map(without_port), config.host.as_str()) {
        (Some(host), _) if !host.is_empty() => host.to_owned(),
        (_, "*") => SocketAddr::new(secure.ip(), 0).to_string().trim_end_matches(":0").to_owned(),
        (_, named) => named.to_owned(),
    };
    let port = if secure.port() == 443 { String::new() } else { format!(":{}", secure.port()) };
    let slash = if target.starts_with('/') { "" } else { "/" };
    let location = HeaderValue::try_from(format!("https://{host}{port}{slash}{target}")).ok()?;
    let mut response = Response::new(());
    *response.status_mut() =
        if safe { StatusCode::MOVED_PERMANENTLY } else { StatusCode::PERMANENT_REDIRECT };
    response.headers_mut().insert(LOCATION, location);
    // A browser that kept it for ever would follow it when the port has long been another's.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
    Some(response)
}

/// A host as it is written in a request, without its port; an IPv6 address keeps its brackets.
fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use landfall_model::{Certificate, Millis};

    use super::*;
    use crate::config::testing;

    fn route(host: &str, secure: &str) -> RouteConfig {
        let mut config = testing::route("a");
        config.host = host.to_owned();
        config.tls = Some(Tls {
            listen: secure.to_owned(),
            certificate: Certificate::Internal,
            redirect: true,
            hsts: Some(Millis::seconds(3600)),
        });
        config
    }

    #[test]
    fn a_redirect_keeps_host_path_and_query_and_finds_the_port() {
        let location = |config: &RouteConfig, host, target| {
            let response = redirect(config, host, target, true).unwrap();
            response.headers()[LOCATION].to_str().unwrap().to_owned()
        };
        let usual = route("a.example", "0.0.0.0:443");
        assert_eq!(location(&usual, Some("a.example:80"), "/x?y=1"), "https://a.example/x?y=1");
        assert_eq!(location(&usual, None, "/"), "https://a.example/");
        let other = route("*", "127.0.0.1:8443");
        assert_eq!(location(&other, Some("b.example:8080"), "*"), "https://b.example:8443/*");
        assert_eq!(location(&other, Some("[::1]:8080"), "/"), "https://[::1]:8443/");
        assert_eq!(location(&other, None, "/"), "https://127.0.0.1:8443/");
        let status = |safe| redirect(&usual, None, "/", safe).unwrap().status().as_u16();
        assert_eq!([status(true), status(false)], [301, 308]);
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        assert_eq!(route("*", "127.0.0.1:8443").check_secure(), Ok(()));
        let wrong = |listen| route("*", listen).check_secure().unwrap_err();
        assert!(wrong("8443").contains("is no address"));
        assert!(wrong("127.0.0.1:0").contains("port 0"));
    }

    #[test]
    fn what_browsers_are_told_is_in_seconds() {
        let value = hsts(route("*", "127.0.0.1:8443").tls.as_ref());
        assert_eq!([value, hsts(None)], [Some(HeaderValue::from_static("max-age=3600")), None]);
    }
}
