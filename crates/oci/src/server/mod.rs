//! The image store as a registry on loopback: the OCI distribution specification 1.1 over HTTP/1.1.
//!
//! Every call takes the store's token, or a pass: a token for one repository that is taken back after one push or pull, so
//! that an engine never learns the store's own. A registry that a way from elsewhere leads to is closed besides: it has one
//! repository. Engines take a registry on 127.0.0.0/8 without TLS. Requests that name another host than this machine (a web
//! page whose name was turned to loopback) are refused.

mod access;
mod blobs;
mod call;
mod connections;
mod manifests;
mod passes;
mod range;
mod refusal;
mod strangers;
mod uploads;

use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use landfall_fx::Random;
use tokio::net::TcpListener;

pub use self::access::Access;
use self::access::is_local;
use self::call::{What, parse};
use self::connections::Limits;
pub use self::passes::{May, Pass, Passes};
use self::refusal::{Code, Refusal};
use self::uploads::Uploads;
use crate::store::Images;

/// What every handler knows.
pub(crate) struct Registry {
    images: Images,
    access: Access,
    uploads: Uploads,
    random: Box<dyn Random>,
}

type Answer = Result<Response, Refusal>;

/// Listens on loopback: on `wanted`, or on any free port when that is taken.
///
/// # Errors
/// No port can be had.
pub async fn listen(wanted: Option<u16>) -> io::Result<TcpListener> {
    if let Some(port) = wanted
        && let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
    {
        return Ok(listener);
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

/// Serves `images` until `ended`, as far as `access` allows. Dropped, it ends every connection.
pub async fn serve(
    images: Images,
    access: Access,
    random: Box<dyn Random>,
    listener: TcpListener,
    ended: impl Future<Output = ()> + Send + 'static,
) {
    let registry = Registry { images, access, uploads: Uploads::default(), random };
    connections::serve(Arc::new(registry), listener, Limits::default(), ended).await;
}

async fn answer(registry: &Arc<Registry>, request: Request) -> Response {
    let head = request.method() == Method::HEAD;
    let answered = dispatch(registry, request).await.unwrap_or_else(Refusal::into_response);
    let (mut parts, body) = answered.into_parts();
    let version = HeaderValue::from_static("registry/2.0");
    parts.headers.insert("docker-distribution-api-version", version);
    Response::from_parts(parts, if head { Body::empty() } else { body })
}

async fn dispatch(registry: &Arc<Registry>, request: Request) -> Answer {
    if !is_local(host(request.headers())) {
        return Err(Refusal::new(Code::Denied, "this registry answers to requests of this machine only"));
    }
    let method = request.method().clone();
    let what = parse(request.uri().path())?;
    let may = if matches!(method, Method::GET | Method::HEAD) { May::Pull } else { May::Push };
    registry.access.demand(may, what.repository(), request.headers())?;
    match (method, what) {
        (Method::GET | Method::HEAD, What::Root) => registry.access.greet(request.headers()),
        (Method::GET, What::Token) => registry.access.token(request.headers()),
        (Method::GET, What::Blob(repository, digest)) => {
            blobs::get(registry, repository, digest, request.headers()).await
        }
        (Method::HEAD, What::Blob(repository, digest)) => blobs::head(registry, repository, digest).await,
        (Method::DELETE, What::Blob(repository, digest)) => blobs::delete(registry, repository, digest).await,
        (Method::POST, What::Uploads(repository)) => uploads::begin(registry, repository, request).await,
        (Method::GET, What::Upload(repository, id)) => uploads::status(registry, &repository, &id).await,
        (Method::PATCH, What::Upload(repository, id)) => {
            uploads::go_on(registry, repository, id, request).await
        }
        (Method::PUT, What::Upload(repository, id)) => uploads::end(registry, repository, id, request).await,
        (Method::DELETE, What::Upload(repository, id)) => uploads::cancel(registry, &repository, &id).await,
        (Method::GET | Method::HEAD, What::Manifest(repository, target)) => {
            manifests::get(registry, repository, target).await
        }
        (Method::PUT, What::Manifest(repository, target)) => {
            manifests::put(registry, repository, target, request).await
        }
        (Method::DELETE, What::Manifest(repository, target)) => {
            manifests::delete(registry, repository, target).await
        }
        (Method::GET, What::Tags(repository)) => manifests::tags(registry, repository, request.uri()).await,
        (Method::GET, What::Referrers(repository, digest)) => {
            manifests::referrers(registry, repository, digest, request.uri()).await
        }
        _ => Err(Refusal::new(Code::Unsupported, "there is no such call")),
    }
}

fn host(headers: &HeaderMap) -> &str {
    headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The query's pairs, decoded; none when it is none.
fn query(uri: &Uri) -> Vec<(String, String)> {
    axum::extract::Query::try_from_uri(uri).map(|query| query.0).unwrap_or_default()
}

/// The first value of a name in a query.
fn value<'q>(query: &'q [(String, String)], name: &str) -> Option<&'q str> {
    query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Runs what touches files outside of the event loop.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, crate::ImageError> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Refusal::from),
        Err(error) => Err(Refusal::broken(error)),
    }
}

/// An answer without a body.
fn empty<const N: usize>(status: StatusCode, headers: [(&'static str, String); N]) -> Response {
    (status, axum::response::AppendHeaders(headers)).into_response()
}
