//! The control socket: HTTP/1.1 with JSON, mode 0600, everything under `/v1`.
//!
//! | call | takes | gives |
//! |---|---|---|
//! | `GET /v1/status` | | `Status` |
//! | `GET /metrics` | | text for Prometheus |
//! | `PUT /v1/routes` | `RouteConfig` | `null` |
//! | `POST /v1/remove`, `/v1/release`, `/v1/meter/start` | `{id}` | `null` |
//! | `POST /v1/pause`, `/v1/unpause` | `{id}` | `null` |
//! | `POST /v1/maintenance` | `{id, on}` | `null` |
//! | `POST /v1/hold` | `{id, wait_ms}` | `Hold` |
//! | `POST /v1/drained` | `{id, label, wait_ms}` | `{inflight}` |
//! | `POST /v1/meter` | `{id}` | `Meter` |
//! | `POST /v1/samples` | `{id}` | `[Sample]` |
//! | `POST /v1/shutdown` | | `null` |
//!
//! A refusal is `{message}` with 400, 404, 409 or 500.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixListener;
use tokio::sync::Notify;

use crate::access::LogCounts;
use crate::limits::{MAX_CONTROL_BODY, MAX_WAIT};
use crate::metrics;
use crate::plane::{Plane, Refused, Shared};
use crate::wire::{ById, DrainRequest, Drained, HoldRequest, MaintenanceRequest, Refusal};

/// What calls act on.
pub(crate) struct Control {
    pub(crate) plane: Plane,
    pub(crate) shared: Arc<Shared>,
    /// What became of the lines of the access log.
    pub(crate) log: Arc<LogCounts>,
    /// Told when the proxy is to end.
    pub(crate) end: Notify,
}

/// Opens the control socket in place of one that a killed proxy left; nobody else can ever open it.
///
/// # Errors
/// What the system says.
pub(crate) fn bind(path: &Path) -> io::Result<UnixListener> {
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&new)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
    fs::rename(&new, path)?;
    Ok(listener)
}

/// Answers calls until the task is dropped.
pub(crate) async fn serve(listener: UnixListener, control: Rc<Control>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let control = Rc::clone(&control);
        tokio::task::spawn_local(async move {
            let service = service_fn(move |request| {
                let control = Rc::clone(&control);
                async move { Ok::<_, Infallible>(answer(&control, request).await) }
            });
            // A caller that goes away needs no answer.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

async fn answer(control: &Control, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if request.method() == Method::GET && request.uri().path() == "/metrics" {
        return metrics::response(control);
    }
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_CONTROL_BODY).collect().await;
    let done = match body {
        Ok(body) => dispatch(control, &head.method, head.uri.path(), &body.to_bytes()).await,
        Err(error) => Err(Refused::Wrong(format!("the body cannot be read: {error}"))),
    };
    let (status, body) = match done {
        Ok(body) => (StatusCode::OK, body),
        Err(refused) => {
            let status = match refused {
                Refused::Wrong(_) => StatusCode::BAD_REQUEST,
                Refused::Unknown(_) => StatusCode::NOT_FOUND,
                Refused::Clash(_) => StatusCode::CONFLICT,
                Refused::Machine(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            let message = refused.message().to_owned();
            (status, serde_json::to_vec(&Refusal { message }).unwrap_or_default())
        }
    };
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Does one call; gives what to answer.
async fn dispatch(control: &Control, method: &Method, path: &str, body: &[u8]) -> Result<Vec<u8>, Refused> {
    let plane = &control.plane;
    match (method, path) {
        (&Method::GET, "/v1/status") => give(&crate::status::status(control)),
        (&Method::PUT, "/v1/routes") => give(&plane.put(take(body)?).await?),
        (&Method::POST, "/v1/remove") => give(&plane.remove(&take::<ById>(body)?.id).await?),
        (&Method::POST, "/v1/hold") => {
            let HoldRequest { id, wait_ms } = take(body)?;
            give(&plane.hold(&id, wait(wait_ms)).await?)
        }
        (&Method::POST, "/v1/release") => give(&plane.release(&take::<ById>(body)?.id).await?),
        (&Method::POST, "/v1/pause") => give(&plane.pause(&take::<ById>(body)?.id, true).await?),
        (&Method::POST, "/v1/unpause") => give(&plane.pause(&take::<ById>(body)?.id, false).await?),
        (&Method::POST, "/v1/maintenance") => {
            let MaintenanceRequest { id, on } = take(body)?;
            give(&plane.maintenance(&id, on).await?)
        }
        (&Method::POST, "/v1/drained") => {
            let DrainRequest { id, label, wait_ms } = take(body)?;
            give(&Drained { inflight: plane.drained(&id, &label, wait(wait_ms)).await })
        }
        (&Method::POST, "/v1/meter/start") => give(&plane.start_meter(&take::<ById>(body)?.id)?),
        (&Method::POST, "/v1/samples") => give(&plane.samples(&take::<ById>(body)?.id)?),
        (&Method::POST, "/v1/meter") => give(&plane.meter(&take::<ById>(body)?.id)?),
        (&Method::POST, "/v1/shutdown") => {
            control.end.notify_one();
            give(&())
        }
        (method, path) => Err(Refused::Unknown(format!("there is no call {method} {path}"))),
    }
}

fn wait(millis: u64) -> Duration {
    Duration::from_millis(millis).min(MAX_WAIT)
}

fn take<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| Refused::Wrong(format!("the body makes no sense: {error}")))
}

fn give<T: Serialize>(answer: &T) -> Result<Vec<u8>, Refused> {
    serde_json::to_vec(answer).map_err(|error| Refused::Machine(error.to_string()))
}
