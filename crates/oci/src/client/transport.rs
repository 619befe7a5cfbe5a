//! Requests: where they may go, what is tried again, and what is not believed.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, HeaderName, LOCATION, PROXY_AUTHORIZATION, RETRY_AFTER, USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use landfall_model::{Fault, Timestamp};

use super::hop::Ways;
use super::login::Scope;
use super::place::{Place, is_this_machine};
use super::proxies::Proxies;
use super::{Client, faults, trust};

/// The longest answer that is read into memory, but for manifests.
pub(super) const MAX_ANSWER: u64 = 1024 * 1024;

/// How long a connection may take to come about.
pub(super) const CONNECT: Duration = Duration::from_secs(15);

/// How long the head of an answer may take: some registries check an upload before they answer.
pub(super) const HEAD: Duration = Duration::from_secs(120);

/// How long a body may pause.
pub(super) const STALLED: Duration = Duration::from_secs(60);

/// How often a request may be sent elsewhere.
const MAX_REDIRECTS: usize = 5;

/// Idle connections that are kept.
const IDLE: usize = 8;

pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;
pub(super) type Http = hyper_util::client::legacy::Client<HttpsConnector<Ways>, Body>;

/// A request that can be made again.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Ask {
    pub(super) fn new(method: Method, url: String) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// The same, with a header. One that cannot be written is left out.
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.extend(HeaderValue::try_from(value).map(|value| (name, value)));
        self
    }
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// No connection came about.
    Unreachable(String),
    /// It broke off.
    Cut(String),
}

pub(super) fn http(place: &Place, proxies: &Arc<Proxies>) -> Result<Http, Fault> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    let tls = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(trust::config(place)?);
    let connector = tls.https_or_http().enable_http1().wrap_connector(Ways::new(tcp, Arc::clone(proxies)));
    let mut builder = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
    Ok(builder.pool_max_idle_per_host(IDLE).build(connector))
}

impl Client {
    /// The address of a call of the registry: `/v2/…`.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.inner.place.base())
    }

    /// Whether an address may be asked: with TLS any, without it only where the user said so. A registry elsewhere names
    /// nothing of this machine.
    pub(super) fn may_ask(&self, url: &str) -> bool {
        let Ok(uri) = url.parse::<Uri>() else { return false };
        let host = uri.host().unwrap_or_default();
        match uri.scheme_str() {
            Some("https") => !host.is_empty(),
            Some("http") => {
                let here = is_this_machine(host) && self.inner.place.is_here();
                here || (self.inner.place.is_plain() && self.is_own(url))
            }
            _ => false,
        }
    }

    /// Makes a request, logs in when asked to, follows where it is sent, and tries again what may go better.
    ///
    /// # Errors
    /// No answer; 401 after a login, 429 and 5xx after all tries. Any other status is given back.
    pub(super) async fn ask(
        &self,
        what: &str,
        scope: Option<&Scope>,
        ask: &Ask,
    ) -> Result<Response<Incoming>, Fault> {
        let place = &self.inner.place;
        let mut logged_in = false;
        let mut tries = 1;
        loop {
            let answer = match self.follow(what, scope, ask).await? {
                Ok(answer) => answer,
                Err(broken) => {
                    if tries >= self.inner.patience.tries {
                        return Err(self.broken(what, &broken));
                    }
                    self.wait(tries, None).await;
                    tries += 1;
                    continue;
                }
            };
            let status = answer.status();
            if let Some(scope) = scope.filter(|_| status == StatusCode::UNAUTHORIZED && !logged_in) {
                logged_in = true;
                Box::pin(self.log_in(what, scope, answer.headers())).await?;
                continue;
            }
            let gives_up = tries >= self.inner.patience.tries;
            if is_passing(status) && !gives_up {
                self.wait(tries, self.asked_to_wait(answer.headers())).await;
                tries += 1;
                continue;
            }
            if is_passing(status) || (status == StatusCode::UNAUTHORIZED && scope.is_some()) {
                let body = self.read_body(what, answer, MAX_ANSWER).await.unwrap_or_default();
                return Err(faults::refused(place, &self.inner.credential, what, status, &body));
            }
            return Ok(answer);
        }
    }

    /// Makes a request, and again elsewhere for as long as it is sent there. The outer error is one that no other try
    /// mends.
    async fn follow(
        &self,
        what: &str,
        scope: Option<&Scope>,
        ask: &Ask,
    ) -> Result<Result<Response<Incoming>, Broken>, Fault> {
        let mut url = ask.url.clone();
        let mut headers = ask.headers.clone();
        for _ in 0..=MAX_REDIRECTS {
            let body = Full::from(ask.body.clone()).map_err(|never| match never {}).boxed_unsync();
            let sent = self.send(&ask.method, &url, &headers, scope, body).await;
            let answer = match sent {
                Ok(answer) => answer,
                Err(broken) => return Ok(Err(broken)),
            };
            let read_only = matches!(ask.method, Method::GET | Method::HEAD);
            if !answer.status().is_redirection() || !read_only {
                return Ok(Ok(answer));
            }
            let next = self.location(&url, answer.headers()).ok_or_else(|| {
                faults::odd(&self.inner.place, what, "it sends requests on to where they may not go")
            })?;
            if origin(&next) != origin(&url) {
                // A password is for who asked for it.
                headers.remove(AUTHORIZATION);
            }
            url = next;
        }
        Err(faults::odd(&self.inner.place, what, "it sends requests on and on"))
    }

    /// Makes one request. What shows who one is goes to the registry alone.
    pub(super) async fn send(
        &self,
        method: &Method,
        url: &str,
        headers: &HeaderMap,
        scope: Option<&Scope>,
        body: Body,
    ) -> Result<Response<Incoming>, Broken> {
        let mut request = Request::builder().method(method).uri(url);
        if let Some(all) = request.headers_mut() {
            *all = headers.clone();
            all.insert(USER_AGENT, HeaderValue::from_static(concat!("landfall/", env!("CARGO_PKG_VERSION"))));
            if let Some(shown) = scope.filter(|_| self.is_own(url)).and_then(|scope| self.shown(scope)) {
                all.insert(AUTHORIZATION, shown);
            }
            // A proxy that passes a request on is told with it; one that carries a connection was told before.
            let to = url.parse::<Uri>().ok().filter(|to| to.scheme_str() == Some("http"));
            let passes_on = to.as_ref().and_then(|to| self.inner.proxies.of(to));
            all.extend(passes_on.and_then(|proxy| Some((PROXY_AUTHORIZATION, proxy.account.clone()?))));
            // Some registries do not take an upload's calls without it.
            let bodiless = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
            if bodiless && http_body::Body::is_end_stream(&body) {
                all.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
        }
        let request = request.body(body).map_err(|error| Broken::Unreachable(error.to_string()))?;
        match tokio::time::timeout(HEAD, self.inner.http.request(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if error.is_connect() => Err(Broken::Unreachable(deepest(&error))),
            Ok(Err(error)) => Err(Broken::Cut(deepest(&error))),
            Err(_) => Err(Broken::Cut(format!("no answer within {} s", HEAD.as_secs()))),
        }
    }

    /// Reads an answer into memory.
    ///
    /// # Errors
    /// One that is longer, pauses or breaks off.
    pub(super) async fn read_body(
        &self,
        what: &str,
        answer: Response<Incoming>,
        most: u64,
    ) -> Result<Bytes, Fault> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let body = Limited::new(answer.into_body(), most).collect();
        match tokio::time::timeout(STALLED, body).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => Err(faults::cut(&self.inner.place, what, &error.to_string())),
            Err(_) => Err(faults::cut(&self.inner.place, what, "an answer stops in the middle")),
        }
    }

    /// Where an answer points to, if one may go there.
    pub(super) fn location(&self, asked: &str, headers: &HeaderMap) -> Option<String> {
        let place = headers.get(LOCATION)?.to_str().ok()?;
        let url = if place.starts_with('/') {
            let asked = asked.parse::<Uri>().ok()?;
            format!("{}://{}{place}", asked.scheme_str()?, asked.authority()?)
        } else {
            place.to_owned()
        };
        self.may_ask(&url).then_some(url)
    }

    /// Waits before the next try: what was asked for, else twice as long each time.
    pub(super) async fn wait(&self, tries: u32, asked: Option<Duration>) {
        let patience = &self.inner.patience;
        let doubled = patience.first.saturating_mul(1 << (tries - 1).min(16));
        tokio::time::sleep(asked.unwrap_or(doubled).min(patience.longest)).await;
    }

    /// The wait that an answer asks for: seconds, or until a moment.
    pub(super) fn asked_to_wait(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let until = Timestamp::from(httpdate::parse_http_date(text).ok()?);
        Some(until.since(self.inner.clock.now()))
    }

    pub(super) fn broken(&self, what: &str, broken: &Broken) -> Fault {
        match broken {
            Broken::Unreachable(why) => faults::unreachable(&self.inner.place, what, why),
            Broken::Cut(why) => faults::cut(&self.inner.place, what, why),
        }
    }

    fn is_own(&self, url: &str) -> bool {
        let base = self.inner.place.base();
        url.strip_prefix(&base).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    }
}

/// Who answers at an address: scheme, host and port. `None` for what is none.
fn origin(url: &str) -> Option<(String, String, u16)> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?.to_owned();
    let usual = if scheme == "https" { 443 } else { 80 };
    Some((scheme, uri.host()?.to_ascii_lowercase(), uri.port_u16().unwrap_or(usual)))
}

/// Whether a status may be another one soon.
pub(super) fn is_passing(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

/// The innermost reason, which says most.
fn deepest(error: &dyn Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// Pairs as a query or a form.
pub(super) fn encoded(pairs: &[(&str, &str)]) -> String {
    let each = pairs.iter().map(|(name, value)| format!("{name}={}", escape(value)));
    each.collect::<Vec<_>>().join("&")
}

/// A value for a query: everything but the unreserved is written as its bytes (RFC 3986, 2.3).
pub(super) fn escape(value: &str) -> String {
    use std::fmt::Write as _;
    value.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Credential, Patience};
    use std::sync::Arc;

    #[test]
    fn without_tls_only_a_registry_of_this_machine_names_others_of_it() {
        for (place, url, may) in [
            ("127.0.0.1:5000", "http://localhost:9/token", true),
            ("http://registry.lan", "http://registry.lan/token", true),
            ("http://registry.lan", "http://127.0.0.1:2375/info", false),
            ("http://registry.lan", "http://registry.lan:81/token", false),
            ("registry.example.com", "http://127.0.0.1:2375/info", false),
            ("registry.example.com", "http://[::1]:2375/info", false),
            ("registry.example.com", "https://tokens.example.com/", true),
        ] {
            let (place, patience) = (Place::parse(place).unwrap(), Patience::default());
            let clock = Arc::new(landfall_fx::SystemClock::new());
            let client =
                Client::new(place, Credential::Anonymous, Proxies::default(), patience, clock).unwrap();
            assert_eq!(client.may_ask(url), may, "{url}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same = |a, b| origin(a) == origin(b);
        assert!(same("https://a.example/x?y", "https://A.example:443/z"));
        for other in ["http://a.example/", "https://b.example/", "https://a.example:444/"] {
            assert!(!same("https://a.example/", other), "{other}");
        }
    }
}
