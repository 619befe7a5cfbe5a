//! The requests to an ACME server: HTTP/1.1 over TLS, one connection that is kept while it lasts, limits on all of it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, RETRY_AFTER};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use landfall_fx::Clock;
use landfall_model::Timestamp;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::folder;
use crate::limits::{ACME_REQUEST, MAX_ACME_ANSWER};

type Sender = SendRequest<BodyWrapper<Bytes>>;

/// A client of one ACME server.
#[derive(Clone)]
pub(crate) struct Http {
    inner: Arc<Inner>,
}

struct Inner {
    tls: TlsConnector,
    clock: Arc<dyn Clock>,
    /// The connection of the last request, and where it goes.
    kept: Mutex<Option<(String, Sender)>>,
    /// What the last refusal asked for.
    after: Mutex<Option<Duration>>,
}

impl Http {
    /// A client that takes only servers whose certificate comes from one of the machine's authorities, or from those in
    /// the PEM file `authority`.
    ///
    /// # Errors
    /// No authorities, for people.
    pub(crate) fn new(authority: Option<&str>, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = authority {
            let cannot = |why: String| format!("the ACME server's authority {path} {why}");
            let pem =
                folder::read(path.as_ref()).map_err(|error| cannot(format!("cannot be read: {error}")))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let added = certificate.map_err(|error| error.to_string());
                added
                    .and_then(|der| roots.add(der).map_err(|error| error.to_string()))
                    .map_err(|error| cannot(format!("is broken: {error}")))?;
            }
            if roots.is_empty() {
                return Err(cannot("holds no certificate in PEM form".to_owned()));
            }
        } else {
            // What cannot be read or is no root is of no use; others may be.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(
                    "this machine has no list of well-known authorities to check the ACME server against: \
                            install `ca-certificates`"
                        .to_owned(),
                );
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = TlsConnector::from(Arc::new(config));
        Ok(Self { inner: Arc::new(Inner { tls, clock, kept: Mutex::default(), after: Mutex::default() }) })
    }

    /// How long the last refused request was asked to wait, if it was.
    pub(crate) fn take_after(&self) -> Option<Duration> {
        self.inner.after.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl HttpClient for Http {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let server = request.uri().authority().map(ToString::to_string).unwrap_or_default();
            let answer = timeout(ACME_REQUEST, inner.exchange(request)).await;
            let answer = answer.unwrap_or_else(|_| Err(io::Error::other("it did not answer in time")));
            let answer = answer.map_err(|error| {
                let what =
                    if error.kind() == io::ErrorKind::InvalidData { "answers" } else { "cannot be reached:" };
                Error::Other(format!("the ACME server {server} {what} {error}").into())
            })?;
            let (parts, body) = answer.into_parts();
            Ok(BytesResponse { parts, body: Box::new(body) })
        })
    }
}

impl Inner {
    async fn exchange(&self, mut request: Request<BodyWrapper<Bytes>>) -> io::Result<Response<Bytes>> {
        let uri = request.uri().clone();
        if uri.scheme_str() != Some("https") {
            return Err(io::Error::other(format!("{uri} is no https address")));
        }
        let authority = uri.authority().ok_or_else(|| io::Error::other(format!("{uri} names no server")))?;
        let host = HeaderValue::try_from(authority.as_str()).map_err(io::Error::other)?;
        request.headers_mut().insert(HOST, host);
        let asks = request.method() != Method::POST;
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::from(path);
        let mut kept = self.kept(authority.as_str());
        if let Some(sender) = &mut kept
            && sender.ready().await.is_err()
        {
            kept = None;
        }
        let mut sender = match kept {
            Some(kept) => kept,
            None => self.connect(authority.host(), authority.port_u16().unwrap_or(443)).await?,
        };
        let answer = sender.send_request(request).await.map_err(io::Error::other)?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ACME_ANSWER).collect().await.map_err(io::Error::other)?;
        if matches!(parts.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let asked = parts.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let after = asked.and_then(|value| after(value, self.clock.now()));
            *self.after.lock().unwrap_or_else(PoisonError::into_inner) = after;
        }
        if asks && !parts.status.is_success() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, parts.status.to_string()));
        }
        let kept = (authority.to_string(), sender);
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        Ok(Response::from_parts(parts, body.to_bytes()))
    }

    fn kept(&self, authority: &str) -> Option<Sender> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        kept.filter(|(to, sender)| to == authority && !sender.is_closed()).map(|(_, sender)| sender)
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<Sender> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let socket = TcpStream::connect((host, port)).await?;
        let stream = self.tls.connect(name, socket).await?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // It ends with its sender.
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// The wait that a `Retry-After` asks for (RFC 9110, section 10.2.3).
fn after(value: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = httpdate::parse_http_date(value).ok()?;
    Some(Timestamp::from(then).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-20T13:15:00Z".parse().unwrap();
        assert_eq!(after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(after("Fri, 20 Nov 2026 13:16:00 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(after("Fri, 20 Nov 2026 13:14:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(after("soon", now), None);
    }

    #[test]
    fn an_authority_that_is_none_is_named() {
        let clock: Arc<dyn Clock> = Arc::new(landfall_fx::SystemClock::new());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.pem");
        let shown = path.to_str().unwrap();
        let tell = || Http::new(Some(shown), Arc::clone(&clock)).err().unwrap();
        assert!(tell().starts_with(&format!("the ACME server's authority {shown} cannot be read")));
        std::fs::write(&path, "nothing").unwrap();
        assert!(tell().ends_with("holds no certificate in PEM form"));
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(tell().contains("is broken"));
    }
}
