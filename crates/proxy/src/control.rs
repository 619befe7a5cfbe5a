//! The control socket: HTTP/1.1 with JSON, mode 0600, everything under `/v1`.
//!
//! | call | takes | gives |
//! |---|---|---|
//! | `GET /v1/status` | | `Status` |
//! | `GET /v1/certificates` | | `[CertificateStatus]` |
//! | `GET /metrics` | | text for Prometheus |
//! | `PUT /v1/routes` | `RouteConfig` | `null` |
//! | `POST /v1/remove`, `/v1/release`, `/v1/meter/start` | `{id}` | `null` |
//! | `POST /v1/pause`, `/v1/unpause` | `{id}` | `null` |
//! | `POST /v1/maintenance` | `{id, on}` | `null` |
//! | `POST /v1/streams` | `{id, wait_ms}` | `OpenStreams` |
//! | `POST /v1/hold` | `{id, wait_ms}` | `Hold` |
//! | `POST /v1/drained` | `{id, label, wait_ms}` | `{inflight}` |
//! | `POST /v1/busy` | `{id, address}` | `{inflight}` |
//! | `POST /v1/meter` | `{id}` | `Meter` |
//! | `POST /v1/samples` | `{id}` | `[Sample]` |
//! | `POST /v1/shutdown` | | `null` |
//! | `POST /v1/handover` | `Upgrade: landfall-handover` | see `handover` |
//! | `GET /v1/report` | | `Report`, for the proxy that took over |
//!
//! A refusal is `{message}`, with `{reason}` where a caller may do something about it, and 400, 404, 409, 421 (another proxy took over: ask again) or 500.

#[cfg(any(test, feature = "fuzz"))]
mod fuzz;
mod place;

use std::convert::Infallible;
use std::rc::Rc;
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

#[cfg(feature = "fuzz")]
pub(crate) use self::fuzz::run as fuzz;
pub(crate) use self::place::{Control, Stage, asynchronous, bind};
use crate::limits::{MAX_CONTROL_BODY, MAX_WAIT};
use crate::plane::Refused;
use crate::wire::{
    BusyRequest, ById, DrainRequest, Drained, HoldRequest, MaintenanceRequest, Reason, Refusal,
};
use crate::{handover, metrics};

/// Waits while requests go on, so that another proxy may take over meanwhile.
const STREAMS: &str = "/v1/streams";

/// Answers calls until the task is dropped. `private` is the socket on which a proxy that took over calls this one.
pub(crate) async fn serve(listener: UnixListener, control: Rc<Control>, private: bool) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let control = Rc::clone(&control);
        tokio::task::spawn_local(async move {
            let service = service_fn(move |request| {
                let control = Rc::clone(&control);
                async move { Ok::<_, Infallible>(answer(&control, request, private).await) }
            });
            // A caller that goes away needs no answer.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service)
                .with_upgrades()
                .await;
        });
    }
}

async fn answer(control: &Rc<Control>, request: Request<Incoming>, private: bool) -> Response<Full<Bytes>> {
    let admitted = if private { Ok(()) } else { control.admit().await };
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/v1/handover") if !private && admitted.is_ok() => {
            return handover::give(control, request);
        }
        (&Method::GET, "/metrics") if admitted.is_ok() => {
            control.plane.refresh().await;
            return metrics::response(control);
        }
        _ => {}
    }
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_CONTROL_BODY).collect().await;
    let done = match (admitted, body) {
        (Ok(()), Ok(body)) => {
            let done = dispatch(control, &head.method, head.uri.path(), &body.to_bytes()).await;
            // Streams may have come to a proxy that took over meanwhile.
            let again = !private && head.uri.path() == STREAMS;
            if again { control.admit().await.and(done) } else { done }
        }
        (Ok(()), Err(error)) => Err(Refused::Wrong(format!("the body cannot be read: {error}"))),
        (Err(refused), _) => Err(refused),
    };
    let (status, body) = match done {
        Ok(body) => (StatusCode::OK, body),
        Err(refused) => {
            let status = match refused {
                Refused::Wrong(_) => StatusCode::BAD_REQUEST,
                Refused::Unknown(_) => StatusCode::NOT_FOUND,
                Refused::Clash(_) | Refused::Taken(_) => StatusCode::CONFLICT,
                Refused::Moved => StatusCode::MISDIRECTED_REQUEST,
                Refused::Machine(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            let reason = matches!(refused, Refused::Taken(_)).then_some(Reason::AddressInUse);
            let refusal = Refusal { message: refused.message().to_owned(), reason };
            (status, serde_json::to_vec(&refusal).unwrap_or_default())
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
        (&Method::GET, "/v1/status") => {
            plane.refresh().await;
            give(&crate::status::status(control))
        }
        (&Method::GET, "/v1/report") => {
            plane.refresh().await;
            give(&plane.report())
        }
        (&Method::GET, "/v1/certificates") => give(&control.shared.certificates.status()),
        (&Method::PUT, "/v1/routes") => give(&plane.put(take(body)?).await?),
        (&Method::POST, "/v1/remove") => give(&plane.remove(&take::<ById>(body)?.id).await?),
        (&Method::POST, "/v1/hold") => {
            let HoldRequest { id, wait_ms } = take(body)?;
            give(&plane.hold(&id, wait(wait_ms)).await?)
        }
        (&Method::POST, STREAMS) => {
            let HoldRequest { id, wait_ms } = take(body)?;
            give(&plane.streams(&id, wait(wait_ms)).await?)
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
        (&Method::POST, "/v1/busy") => {
            let BusyRequest { id, address } = take(body)?;
            give(&Drained { inflight: plane.busy(&id, address).await? })
        }
        (&Method::POST, "/v1/meter/start") => give(&plane.start_meter(&take::<ById>(body)?.id).await?),
        (&Method::POST, "/v1/samples") => give(&plane.samples(&take::<ById>(body)?.id).await?),
        (&Method::POST, "/v1/meter") => give(&plane.meter(&take::<ById>(body)?.id).await?),
        (&Method::POST, "/v1/shutdown") => {
            plane.end_before().await;
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
