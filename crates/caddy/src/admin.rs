//! Caddy's admin API (<https://caddyserver.com/docs/api>): one short connection for each call, for a change of the
//! configuration ends those that are kept.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{CONNECTION, CONTENT_TYPE, ETAG, HOST, IF_MATCH};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep, timeout};

use crate::fault::CaddyError;

/// For an answer. A new configuration may have to wait for certificates to be loaded.
const ANSWER: Duration = Duration::from_secs(30);

/// The longest answer that is read.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// While Caddy takes a new configuration, its API is away for a moment: connecting is tried this often …
const TRIES: u32 = 5;
/// … with this in between.
const BETWEEN: Duration = Duration::from_millis(40);

/// The `Host` that is sent: Caddy answers for the origins it knows only.
const ORIGIN: &str = "landfall";

/// Where an admin API listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A unix socket of a Caddy that Landfall started, which knows the origin `landfall`.
    Unix(PathBuf),
    /// Host and port of a Caddy that runs already: `127.0.0.1:2019`.
    Tcp(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(address) => f.write_str(address),
        }
    }
}

/// Calls the admin API of one Caddy.
#[derive(Debug, Clone)]
pub struct Admin {
    address: Address,
}

/// An answer: what it says, and the tag of what it is a copy of.
struct Answer {
    status: StatusCode,
    tag: Option<String>,
    body: Bytes,
}

impl Admin {
    /// A client; nothing is connected yet.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self { address }
    }

    /// Where it calls.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether it answers.
    pub async fn is_answering(&self) -> bool {
        self.once(Method::GET, "/reverse_proxy/upstreams", None, None).await.is_ok()
    }

    /// What is at a path, `null` for nothing, and its tag for a safe change.
    ///
    /// # Errors
    /// See [`CaddyError`].
    pub async fn get(&self, path: &str) -> Result<(Value, Option<String>), CaddyError> {
        let answer = self.call(Method::GET, path, None, None).await?;
        let value = serde_json::from_slice(&answer.body).map_err(|error| self.broken(error))?;
        Ok((value, answer.tag))
    }

    /// Replaces the whole configuration, unless it has changed since it had that tag; gives whether it was replaced.
    ///
    /// # Errors
    /// `Refused` with Caddy's words when the configuration cannot be used; the one before then goes on.
    pub async fn replace(&self, config: &Value, tag: Option<&str>) -> Result<bool, CaddyError> {
        let body = config.to_string();
        match self.call(Method::POST, "/config/", Some(body), tag).await {
            Ok(_) => Ok(true),
            Err(CaddyError::Refused { status: 412, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes it end.
    ///
    /// # Errors
    /// See [`CaddyError`].
    pub async fn stop(&self) -> Result<(), CaddyError> {
        self.call(Method::POST, "/stop", None, None).await.map(|_| ())
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        tag: Option<&str>,
    ) -> Result<Answer, CaddyError> {
        let mut tries = 0;
        let answer = loop {
            tries += 1;
            match self.once(method.clone(), path, body.clone(), tag).await {
                Err(CaddyError::Unreachable { .. }) if tries < TRIES => sleep(BETWEEN).await,
                answer => break answer?,
            }
        };
        if answer.status.is_success() {
            return Ok(answer);
        }
        let text = String::from_utf8_lossy(&answer.body).trim().to_owned();
        let said = serde_json::from_slice::<Value>(&answer.body).ok();
        let said = said.as_ref().and_then(|value| value.get("error")).and_then(Value::as_str);
        let what = if method == Method::GET { path.to_owned() } else { "the new configuration".to_owned() };
        let message = said.map_or(text, str::to_owned);
        Err(CaddyError::Refused { what, status: answer.status.as_u16(), message })
    }

    async fn once(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        tag: Option<&str>,
    ) -> Result<Answer, CaddyError> {
        let exchange = async {
            match &self.address {
                Address::Unix(socket) => {
                    let stream =
                        UnixStream::connect(socket).await.map_err(|error| self.unreachable(error))?;
                    self.exchange(stream, method, path, body, tag).await
                }
                Address::Tcp(address) => {
                    let stream =
                        TcpStream::connect(address).await.map_err(|error| self.unreachable(error))?;
                    self.exchange(stream, method, path, body, tag).await
                }
            }
        };
        timeout(ANSWER, exchange).await.map_err(|_| self.broken("no answer within 30 s"))?
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        method: Method,
        path: &str,
        body: Option<String>,
        tag: Option<&str>,
    ) -> Result<Answer, CaddyError> {
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.unreachable(error))?;
        let driver = tokio::spawn(connection);
        let host = match &self.address {
            Address::Unix(_) => ORIGIN,
            Address::Tcp(address) => address,
        };
        let mut request = Request::builder().method(method).uri(path).header(HOST, host);
        request = request.header(CONNECTION, "close");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(tag) = tag {
            request = request.header(IF_MATCH, tag);
        }
        let request = request.body(Full::new(Bytes::from(body.unwrap_or_default())));
        let answer = async {
            let request = request.map_err(|error| self.broken(error))?;
            let answer = sender.send_request(request).await.map_err(|error| self.broken(error))?;
            let status = answer.status();
            let head = answer.headers().get(ETAG).cloned();
            let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
            let body = body.map_err(|error| self.broken(error))?;
            // Before 2.8 the tag comes behind the body, as a trailer.
            let tag = head.or_else(|| body.trailers().and_then(|trailers| trailers.get(ETAG)).cloned());
            let tag = tag.and_then(|tag| tag.to_str().ok().map(str::to_owned));
            Ok(Answer { status, tag, body: body.to_bytes() })
        }
        .await;
        driver.abort();
        answer
    }

    fn unreachable(&self, error: impl fmt::Display) -> CaddyError {
        CaddyError::Unreachable { admin: self.address.to_string(), why: error.to_string() }
    }

    fn broken(&self, why: impl fmt::Display) -> CaddyError {
        CaddyError::Broken { admin: self.address.to_string(), why: why.to_string() }
    }
}
