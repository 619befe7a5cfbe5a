//! The control client: one short connection to the proxy's socket for each call.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use landfall_model::CertificateStatus;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use crate::report::Report;
use crate::wire::{
    BusyRequest, ById, DrainRequest, Drained, HoldRequest, MaintenanceRequest, Reason, Refusal,
};
use crate::{ClientError, Hold, Meter, OpenStreams, RouteConfig, Sample, Status};

/// For an answer to a call, beyond what the call itself asks to wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Before a call is made again to the proxy that took over.
const AGAIN: Duration = Duration::from_millis(5);
/// The longest answer that is read.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Calls a proxy on its control socket. Cheap to make and to clone; needs a tokio runtime with I/O and time.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the proxy on `socket`; nothing is connected yet.
    #[must_use]
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// The socket it calls.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The proxy as it is now.
    ///
    /// # Errors
    /// See [`ClientError`]; also all calls below.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.call(Method::GET, "/v1/status", &(), Duration::ZERO).await
    }

    /// Makes or replaces a route in one step, ends a hold of it and lets held requests through to the new pool. The
    /// route is on the disk when this returns.
    ///
    /// # Errors
    /// `Refused` with 400 for a route that makes no sense, 409 when another id has the same address, host and prefix or
    /// it wants what is not there, 500 when it cannot be written down; `AddressInUse`.
    pub async fn put_route(&self, route: &RouteConfig) -> Result<(), ClientError> {
        self.call(Method::PUT, "/v1/routes", route, Duration::ZERO).await
    }

    /// The certificates that it serves or would like to, those that need a person's eye included.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn certificates(&self) -> Result<Vec<CertificateStatus>, ClientError> {
        self.call(Method::GET, "/v1/certificates", &(), Duration::ZERO).await
    }

    /// Waits, at most `wait`, until no stream of a route is open, that is no upgraded connection and no answer of
    /// server-sent events; gives how many are. Requests go on meanwhile, so that others may be opened; while the route
    /// holds it only counts. When another proxy takes over it begins anew: to be asked for seconds, again and again.
    ///
    /// # Errors
    /// `Refused` with 404 when there is no such route.
    pub async fn streams(&self, id: &str, wait: Duration) -> Result<OpenStreams, ClientError> {
        let body = HoldRequest { id: id.to_owned(), wait_ms: millis(wait) };
        self.call(Method::POST, "/v1/streams", &body, wait).await
    }

    /// Holds new requests of a route from now on; returns when those under way on its pools are done but for streams, or
    /// when `wait` is over. Calling it again only waits again.
    ///
    /// # Errors
    /// `Refused` with 404 when there is no such route.
    pub async fn hold(&self, id: &str, wait: Duration) -> Result<Hold, ClientError> {
        let body = HoldRequest { id: id.to_owned(), wait_ms: millis(wait) };
        self.call(Method::POST, "/v1/hold", &body, wait).await
    }

    /// Ends a hold without a switch; fine when there is none.
    ///
    /// # Errors
    /// `Refused` with 404 when there is no such route.
    pub async fn release(&self, id: &str) -> Result<(), ClientError> {
        self.call(Method::POST, "/v1/release", &ById { id: id.to_owned() }, Duration::ZERO).await
    }

    /// Holds new requests of a route, within its limits, until [`Client::unpause`]: no switch ends it and no restart of the
    /// proxy. Probes go on. Fine when it is paused.
    ///
    /// # Errors
    /// `Refused` with 404 when there is no such route, 500 when it cannot be written down.
    pub async fn pause(&self, id: &str) -> Result<(), ClientError> {
        self.call(Method::POST, "/v1/pause", &ById { id: id.to_owned() }, Duration::ZERO).await
    }

    /// Lets the requests of a paused route through; fine when it is not paused.
    ///
    /// # Errors
    /// As [`Client::pause`].
    pub async fn unpause(&self, id: &str) -> Result<(), ClientError> {
        self.call(Method::POST, "/v1/unpause", &ById { id: id.to_owned() }, Duration::ZERO).await
    }

    /// Answers all requests of a route but probes with 503 and its maintenance page, or no longer. Neither a switch nor a
    /// restart of the proxy changes it.
    ///
    /// # Errors
    /// As [`Client::pause`].
    pub async fn set_maintenance(&self, id: &str, on: bool) -> Result<(), ClientError> {
        let body = MaintenanceRequest { id: id.to_owned(), on };
        self.call(Method::POST, "/v1/maintenance", &body, Duration::ZERO).await
    }

    /// Takes a route away, and its listener when no other route uses it; fine when there is no such route.
    ///
    /// # Errors
    /// `Refused` with 500 when that cannot be written down.
    pub async fn remove_route(&self, id: &str) -> Result<(), ClientError> {
        self.call(Method::POST, "/v1/remove", &ById { id: id.to_owned() }, Duration::ZERO).await
    }

    /// Waits, at most `wait`, until no request and no upgraded connection of that pool is under way; gives how many are.
    /// A pool that the proxy does not know has none.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn drained(&self, id: &str, label: &str, wait: Duration) -> Result<u64, ClientError> {
        let body = DrainRequest { id: id.to_owned(), label: label.to_owned(), wait_ms: millis(wait) };
        let drained: Drained = self.call(Method::POST, "/v1/drained", &body, wait).await?;
        Ok(drained.inflight)
    }

    /// How many requests and upgraded connections are under way to one backend of a route, also one that the route no longer
    /// has.
    ///
    /// # Errors
    /// `Refused` with 404 when there is no such route.
    pub async fn busy(&self, id: &str, address: SocketAddr) -> Result<u64, ClientError> {
        let body = BusyRequest { id: id.to_owned(), address };
        let drained: Drained = self.call(Method::POST, "/v1/busy", &body, Duration::ZERO).await?;
        Ok(drained.inflight)
    }

    /// Starts counting: what [`Client::meter`] gives is since the last call. A route has one meter; one that is not
    /// there yet may be metered and starts when it is put.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn start_meter(&self, id: &str) -> Result<(), ClientError> {
        self.call(Method::POST, "/v1/meter/start", &ById { id: id.to_owned() }, Duration::ZERO).await
    }

    /// What the route's meter shows; since the route is known when it was never started.
    ///
    /// # Errors
    /// `Refused` with 404 when there is no such route.
    pub async fn meter(&self, id: &str) -> Result<Meter, ClientError> {
        self.call(Method::POST, "/v1/meter", &ById { id: id.to_owned() }, Duration::ZERO).await
    }

    /// What each pool of the route counted since it came: the current ones, those with requests under way, and some of
    /// those before.
    ///
    /// # Errors
    /// `Refused` with 404 when there is no such route.
    pub async fn samples(&self, id: &str) -> Result<Vec<Sample>, ClientError> {
        self.call(Method::POST, "/v1/samples", &ById { id: id.to_owned() }, Duration::ZERO).await
    }

    /// What the proxy counts, as Prometheus reads it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let exchange = self.exchange(Method::GET, "/metrics", Vec::new());
        let (_, text) =
            timeout(ANSWER_TIMEOUT, exchange).await.map_err(|_| self.broken("no answer in time"))??;
        String::from_utf8(text.into()).map_err(|error| self.broken(error))
    }

    /// What a proxy that took over from this one must know; only answered on its private socket.
    pub(crate) async fn report(&self) -> Result<Report, ClientError> {
        self.call(Method::GET, "/v1/report", &(), Duration::ZERO).await
    }

    /// Makes the proxy end gracefully; returns at once.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn shutdown(&self) -> Result<(), ClientError> {
        self.call(Method::POST, "/v1/shutdown", &(), Duration::ZERO).await
    }

    async fn call<B: Serialize, A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &B,
        wait: Duration,
    ) -> Result<A, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| self.broken(error))?;
        // One that has handed over says so on connections of before: the next one comes to its successor.
        let asked = async {
            loop {
                let answer = self.exchange(method.clone(), path, body.clone()).await?;
                if answer.0 != StatusCode::MISDIRECTED_REQUEST {
                    return Ok::<_, ClientError>(answer);
                }
                sleep(AGAIN).await;
            }
        };
        let (status, answer) = timeout(ANSWER_TIMEOUT.saturating_add(wait), asked)
            .await
            .map_err(|_| self.broken("no answer in time"))??;
        if status.is_success() {
            return serde_json::from_slice(&answer).map_err(|error| self.broken(error));
        }
        let refusal = serde_json::from_slice(&answer).unwrap_or_else(|_| Refusal {
            message: String::from_utf8_lossy(&answer).into_owned(),
            reason: None,
        });
        Err(match refusal {
            Refusal { message, reason: Some(Reason::AddressInUse) } => ClientError::AddressInUse { message },
            Refusal { message, .. } => ClientError::Refused { status: status.as_u16(), message },
        })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|source| ClientError::Unreachable { socket: self.socket.clone(), source })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.broken(error))?;
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(hyper::header::HOST, "proxy")
            .header(hyper::header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| self.broken(error))?;
        let exchanged = async {
            let response = sender.send_request(request).await.map_err(|error| self.lost(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
            Ok((status, body.map_err(|error| self.broken(error))?.to_bytes()))
        }
        .await;
        connection.abort();
        exchanged
    }

    /// A connection that closed without an answer is that of a proxy that is going down.
    fn lost(&self, error: &hyper::Error) -> ClientError {
        if error.is_canceled() || error.is_closed() {
            let source = io::Error::new(io::ErrorKind::ConnectionReset, error.to_string());
            return ClientError::Unreachable { socket: self.socket.clone(), source };
        }
        self.broken(error)
    }

    fn broken(&self, why: impl std::fmt::Display) -> ClientError {
        ClientError::Broken { socket: self.socket.clone(), why: why.to_string() }
    }
}

fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
