//! One request and its answer, over a connection that is kept for the next one, and the calls about the host itself.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use landfall_model::api::{Accepted, BlobList, Deployed, DiskView, FingerprintKey, Info, Prune, Pruned};
use landfall_model::{AppName, Digest, EnvironmentName, Fault};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::app::App;
use super::payload::Payload;
use super::{CallError, LocalSocket, Wire};

/// For opening a stream to the agent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For the answer to an ordinary call, its body included.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer that is read as a whole, in bytes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;
/// The most digests in one question for missing blobs; the API's own limit.
const MAX_DIGESTS: usize = 100_000;

/// A client of one host's agent. Calls may overlap; each that finds the kept connection busy opens another one.
pub struct Agent {
    wire: Box<dyn Wire>,
    kept: Mutex<Option<Sender>>,
}

pub(crate) type Sender = SendRequest<Payload>;

impl Agent {
    /// A client that opens its connections over `wire`, when they are needed.
    #[must_use]
    pub fn over(wire: impl Wire + 'static) -> Self {
        Self { wire: Box::new(wire), kept: Mutex::new(None) }
    }

    /// A client of the agent of this machine's state folder.
    #[must_use]
    pub fn local(state: &landfall_fx::StateDir) -> Self {
        Self::over(LocalSocket(state.agent_socket()))
    }

    /// Where the agent is, as people read it.
    #[must_use]
    pub fn place(&self) -> String {
        self.wire.place()
    }

    /// The calls about one application and environment.
    #[must_use]
    pub fn app<'a>(&'a self, app: &AppName, environment: &EnvironmentName) -> App<'a> {
        App::new(self, app, environment)
    }

    /// Says who the agent is.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn info(&self) -> Result<Info, CallError> {
        self.get("/v1/info").await
    }

    /// Says what takes what on the host.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn disk(&self) -> Result<DiskView, CallError> {
        self.get("/v1/disk").await
    }

    /// Takes away what nothing needs, and the volumes that are asked for; says what that was.
    ///
    /// # Errors
    /// A volume that a release needs; see [`CallError`].
    pub async fn prune(&self, asked: &Prune) -> Result<Pruned, CallError> {
        self.post("/v1/disk/prune", asked).await
    }

    /// Asks the agent to end; instances and the proxy go on. It has not ended yet when this returns.
    ///
    /// # Errors
    /// Refused while a transaction runs; see [`CallError`].
    pub async fn shutdown(&self) -> Result<(), CallError> {
        self.send(Method::POST, "/v1/shutdown", Payload::empty()).await.map(drop)
    }

    /// Gives what the proxy counts, as Prometheus reads it.
    ///
    /// # Errors
    /// Refused while no proxy runs; see [`CallError`].
    pub async fn metrics(&self) -> Result<String, CallError> {
        let bytes = self.send(Method::GET, "/v1/metrics", Payload::empty()).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Gets the key that secrets' fingerprints are made with.
    ///
    /// # Errors
    /// See [`CallError`]; a key that is not 64 hex digits is a fault of the agent.
    pub async fn fingerprint_key(&self) -> Result<[u8; 32], CallError> {
        let key: FingerprintKey = self.get("/v1/fingerprint-key").await?;
        from_hex(&key.key).ok_or_else(|| {
            CallError::Fault(Fault::internal("the agent's fingerprint key is not 64 hex digits"))
        })
    }

    /// Says which of these blobs the host has not, in the order given.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn missing_blobs(&self, digests: &[Digest]) -> Result<Vec<Digest>, CallError> {
        let mut missing = Vec::new();
        for part in digests.chunks(MAX_DIGESTS) {
            let asked = BlobList { digests: part.to_vec() };
            let answer: BlobList = self.post("/v1/blobs/missing", &asked).await?;
            missing.extend(answer.digests);
        }
        Ok(missing)
    }

    /// Names every application and environment of the host.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn apps(&self) -> Result<Vec<Deployed>, CallError> {
        self.get("/v1/apps").await
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CallError> {
        self.answer(Method::GET, path, Payload::empty()).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, CallError> {
        let body = serde_json::to_vec(body).map_err(|error| {
            CallError::Fault(Fault::internal(format!("the body of `POST {path}` has no JSON form: {error}")))
        })?;
        self.answer(Method::POST, path, Payload::whole(body)).await
    }

    pub(crate) async fn post_nothing(&self, path: &str) -> Result<Accepted, CallError> {
        self.answer(Method::POST, path, Payload::empty()).await
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Payload,
    ) -> Result<T, CallError> {
        let call = format!("{method} {path}");
        let bytes = self.send(method, path, body).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            CallError::Fault(Fault::internal(format!(
                "the agent's answer to `{call}` makes no sense: {error}"
            )))
        })
    }

    /// Sends a request, reads the whole answer, and keeps the connection for the next one.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Payload) -> Result<Bytes, CallError> {
        let call = format!("{method} {path}");
        let work = async {
            let (response, sender) = self.begin(request(method, path, body), &call).await?;
            let bytes = read(response.into_body(), &call).await?;
            self.keep(sender);
            Ok(bytes)
        };
        match tokio::time::timeout(CALL_TIMEOUT, work).await {
            Ok(result) => result,
            Err(_) => Err(CallError::lost(call, format!("no answer within {} s", CALL_TIMEOUT.as_secs()))),
        }
    }

    /// Sends a request and gives the answer's head, its body still to be read. An answer that is a failure is read and
    /// becomes the error.
    pub(crate) async fn begin(
        &self,
        request: Request<Payload>,
        call: &str,
    ) -> Result<(Response<Incoming>, Sender), CallError> {
        let mut request = request;
        if let Some(mut sender) = self.take_kept().await {
            match sender.try_send_request(request).await {
                Ok(response) => return self.judge(response, sender, call).await,
                // The agent closed the kept connection before it saw anything of this request.
                Err(mut refused) => match refused.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(CallError::lost(call, refused.into_error())),
                },
            }
        }
        let mut sender = self.dial(call).await?;
        let response = sender.send_request(request).await.map_err(|error| CallError::lost(call, error))?;
        self.judge(response, sender, call).await
    }

    pub(crate) fn keep(&self, sender: Sender) {
        if let Ok(mut kept) = self.kept.lock() {
            *kept = Some(sender);
        }
    }

    async fn take_kept(&self) -> Option<Sender> {
        let mut sender = self.kept.lock().ok()?.take()?;
        sender.ready().await.ok()?;
        Some(sender)
    }

    async fn dial(&self, call: &str) -> Result<Sender, CallError> {
        let absent = |why| CallError::Absent { place: self.wire.place(), why };
        let stream = match tokio::time::timeout(CONNECT_TIMEOUT, self.wire.open()).await {
            Ok(opened) => opened.map_err(absent)?,
            Err(_) => return Err(absent(std::io::ErrorKind::TimedOut.into())),
        };
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| CallError::lost(call, error))?;
        // It ends when the sender and the answer's body are gone; what ends it early, the call itself sees.
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }

    async fn judge(
        &self,
        response: Response<Incoming>,
        sender: Sender,
        call: &str,
    ) -> Result<(Response<Incoming>, Sender), CallError> {
        let status = response.status();
        if status.is_success() || status == http::StatusCode::SWITCHING_PROTOCOLS {
            return Ok((response, sender));
        }
        let bytes = read(response.into_body(), call).await?;
        self.keep(sender);
        let fault = serde_json::from_slice(&bytes).unwrap_or_else(|_| {
            let said: String = String::from_utf8_lossy(&bytes).chars().take(200).collect();
            Fault::internal(format!("the agent answered `{call}` with {status}: {said}"))
        });
        Err(CallError::Fault(fault))
    }
}

/// A request to the agent. `path` is percent-encoded already.
pub(crate) fn request(method: Method, path: &str, body: Payload) -> Request<Payload> {
    let json = matches!(body, Payload::Whole(Some(_)));
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().expect("paths are made of names, numbers and encoded text");
    let headers = request.headers_mut();
    headers.insert(http::header::HOST, http::HeaderValue::from_static("landfall"));
    if json {
        let json = http::HeaderValue::from_static("application/json");
        headers.insert(http::header::CONTENT_TYPE, json);
    }
    request
}

async fn read(body: Incoming, call: &str) -> Result<Bytes, CallError> {
    match Limited::new(body, MAX_ANSWER).collect().await {
        Ok(read) => Ok(read.to_bytes()),
        Err(error) => Err(CallError::lost(call, error)),
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}
