//! Hands a request to a backend, and to another one when that is safe: nothing was sent, or it may be sent twice.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use http::header::{HOST, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use hyper::Request;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::timeout;

use super::body::{ProxyBody, RequestBody};
use super::headers::{POOL, to_backend, to_client, upgrade};
use super::request::idempotent;
use super::serve::{Call, Flight, disclose, own, refuse};
use super::tunnel;
use super::upstream::{Lease, connect, mark_down, says_down};
use crate::files;
use crate::limits::{ANSWER_TIMEOUT, MAX_ATTEMPTS};
use crate::state::pool::{BackendState, Backends, pick};
use crate::state::stats::Shard;
use crate::state::table::Entry;

/// What a client sent, in the form that it can be asked again what to send where.
struct Original {
    method: Method,
    uri: Uri,
    /// As they go to the backend.
    headers: HeaderMap,
    named_host: bool,
    /// The client's side of a change of protocol.
    upgrade: Option<OnUpgrade>,
    /// Whether it may be sent again when nobody knows if it arrived: nothing follows its head, and twice is as once.
    repeatable: bool,
}

/// How one attempt ended.
enum Outcome {
    /// The backend began its answer.
    Answered(Response<Incoming>, Lease),
    /// It did not get the request: the body is whole.
    Unsent(RequestBody),
    /// It may have got it, and broke off.
    Broken,
    /// It did not answer in time.
    Late,
}

/// Answers a request whose head was checked.
pub(crate) async fn forward(call: &Call, mut parts: Parts, body: Incoming) -> Response<ProxyBody> {
    let flight = match call.enter(&parts.uri, &parts.headers).await {
        Ok(flight) => flight,
        Err(turned) => return turned.answer(&parts.method, call),
    };
    let backends = Arc::clone(&flight.pool().backends);
    if let Backends::Files(root) = &*backends {
        let asked = asked(&flight, root, &parts.method, &parts.uri, &parts.headers);
        return serve_file(call, flight, &asked).await;
    }
    let prefix = flight.entry().config.strip.then(|| flight.entry().config.prefix.as_str());
    let wanted = upgrade(&parts.headers).and_then(|_| parts.extensions.remove::<OnUpgrade>());
    let named_host = parts.headers.contains_key(HOST);
    to_backend(&mut parts.headers, &call.client, prefix, || call.worker.request_id());
    let body = RequestBody::new(body);
    let original = Original {
        repeatable: body.is_none() && idempotent(&parts.method) && wanted.is_none(),
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        named_host,
        upgrade: wanted,
    };
    attempt(call, flight, original, body).await
}

/// Sends the request to one backend after the other until one answers, none is left or it is not safe any more.
async fn attempt(
    call: &Call,
    mut flight: Flight,
    mut original: Original,
    mut body: RequestBody,
) -> Response<ProxyBody> {
    let mut tried: Vec<u64> = Vec::new();
    // On an idle connection that breaks it cannot be known whether the request arrived.
    let mut fresh = !original.repeatable;
    let mut sent = 0;
    let status = loop {
        let entry = Arc::clone(flight.entry());
        let pool = Arc::clone(&flight.pool().backends);
        let backends = match &*pool {
            Backends::Instances(backends) => backends,
            Backends::Files(root) => {
                let asked = asked(&flight, root, &original.method, &original.uri, &original.headers);
                return serve_file(call, flight, &asked).await;
            }
        };
        let index = pick(backends, entry.worker, call.worker.turn(), &tried);
        flight.assign(index);
        let reached = match index {
            Some(index) if sent < MAX_ATTEMPTS => lease(&flight, &backends[index], fresh).await,
            _ if flight.outdated() && sent < MAX_ATTEMPTS => None,
            _ => break StatusCode::SERVICE_UNAVAILABLE,
        };
        let number = index.map(|index| backends[index].number);
        if let (Some(lease), Some(index)) = (reached, index) {
            sent += 1;
            let used = lease.used;
            match send(lease, &mut original, body, &entry, &backends[index]).await {
                Outcome::Answered(response, lease) => {
                    return answered(call, flight, response, lease, original.upgrade.take());
                }
                Outcome::Unsent(whole) => body = whole,
                Outcome::Broken if original.repeatable => {
                    body = RequestBody::none();
                    // A backend that breaks off on a new connection may do so because of the request: one more try.
                    original.repeatable = used;
                }
                Outcome::Broken => break StatusCode::BAD_GATEWAY,
                Outcome::Late => break StatusCode::GATEWAY_TIMEOUT,
            }
            fresh = true;
            if !used && backends.len() > tried.len() + 1 {
                tried.extend(number);
            }
        } else {
            tried.extend(number);
        }
        if flight.outdated() {
            // The pool was switched meanwhile: the new one gets it.
            drop(flight);
            tried.clear();
            flight = match call.enter(&original.uri, &original.headers).await {
                Ok(flight) => flight,
                Err(turned) => return turned.answer(&original.method, call),
            };
        }
    };
    flight.count(Shard::failed);
    refuse(status, &original.method, Some(flight), call)
}

/// A connection to the backend: one that is idle, unless `fresh` is wanted, or a new one.
/// `None` when it takes none.
async fn lease(flight: &Flight, backend: &BackendState, fresh: bool) -> Option<Lease> {
    if !fresh && let Some(lease) = flight.worker().idle.take(backend.number) {
        return Some(lease);
    }
    match connect(backend.address).await {
        Ok(lease) => Some(lease),
        Err(error) => {
            if says_down(&error) {
                mark_down(flight, backend);
            }
            None
        }
    }
}

/// Sends the request once.
async fn send(
    mut lease: Lease,
    original: &mut Original,
    body: RequestBody,
    entry: &Entry,
    backend: &BackendState,
) -> Outcome {
    let mut request = Request::new(body);
    *request.method_mut() = original.method.clone();
    *request.uri_mut() = target(&original.uri, entry);
    *request.headers_mut() =
        if original.repeatable { original.headers.clone() } else { std::mem::take(&mut original.headers) };
    if !original.named_host {
        request.headers_mut().insert(HOST, backend.host.clone());
    }
    let moving = request.body().moving();
    let answer = lease.sender.try_send_request(request);
    tokio::pin!(answer);
    let answered = loop {
        match timeout(ANSWER_TIMEOUT, answer.as_mut()).await {
            Ok(answered) => break answered,
            // The request itself may take as long as it likes, as long as it moves.
            Err(_) if moving.as_ref().is_some_and(|moved| moved.take()) => {}
            Err(_) => return Outcome::Late,
        }
    };
    match answered {
        Ok(response) => Outcome::Answered(response, lease),
        Err(mut error) => match error.take_message() {
            Some(request) => {
                let (parts, body) = request.into_parts();
                original.headers = parts.headers;
                Outcome::Unsent(body)
            }
            None => Outcome::Broken,
        },
    }
}

/// The target as the backend sees it: without the prefix, if the route takes it off.
fn target(uri: &Uri, entry: &Entry) -> Uri {
    let prefix = entry.config.path_prefix();
    if !entry.config.strip || prefix.is_empty() {
        return uri.clone();
    }
    let Some(rest) = uri.path_and_query().and_then(|target| target.as_str().strip_prefix(prefix)) else {
        return uri.clone();
    };
    let target = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    Uri::try_from(target).unwrap_or_else(|_| uri.clone())
}

/// Turns a backend's answer into the client's.
fn answered(
    call: &Call,
    mut flight: Flight,
    response: Response<Incoming>,
    lease: Lease,
    upgrade: Option<OnUpgrade>,
) -> Response<ProxyBody> {
    let (mut parts, body) = response.into_parts();
    let upgraded = parts.status == StatusCode::SWITCHING_PROTOCOLS;
    let status = parts.status;
    flight.count(|shard| shard.served(status, call.began.elapsed()));
    to_client(&mut parts.headers, upgraded);
    parts.headers.remove(POOL);
    if let Some(cookie) = flight.cookie() {
        parts.headers.append(SET_COOKIE, cookie);
    }
    parts.version = http::Version::HTTP_11;
    let label = Arc::clone(&flight.pool().label);
    let mut response = if upgraded {
        let backend = parts.extensions.remove::<OnUpgrade>();
        let (Some(client), Some(backend)) = (upgrade, backend) else {
            // The backend changes to a protocol that nobody asked for.
            flight.count(|shard| shard.broke_off(status));
            return refuse(StatusCode::BAD_GATEWAY, &Method::GET, Some(flight), call);
        };
        tokio::task::spawn_local(tunnel::run(client, backend, flight));
        Response::from_parts(parts, ProxyBody::full(bytes::Bytes::new(), None, Rc::clone(&call.client)))
    } else {
        let body = ProxyBody::backend(body, lease, flight, Rc::clone(&call.client));
        Response::from_parts(parts, body)
    };
    disclose(&mut response, &label, call);
    response
}

fn asked<'a>(
    flight: &Flight,
    root: &'a Path,
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
) -> files::Asked<'a> {
    let label = Arc::clone(&flight.pool().label);
    files::Asked { root, label, inner: target(uri, flight.entry()), uri, method, headers }
}

async fn serve_file(call: &Call, mut flight: Flight, asked: &files::Asked<'_>) -> Response<ProxyBody> {
    let answer = files::answer(asked).await;
    let cookie = flight.cookie();
    flight.count(|shard| match &answer {
        files::Answer::Refused(status, _) if status.is_server_error() => shard.failed(),
        _ => shard.served(StatusCode::OK, call.began.elapsed()),
    });
    let mut response = match answer {
        files::Answer::File(head, file) => {
            Response::from_parts(head, ProxyBody::file(file, flight, Rc::clone(&call.client)))
        }
        files::Answer::Bytes(response) => own(response, Some(flight), call),
        files::Answer::Refused(status, fields) => {
            let mut response = refuse(status, asked.method, Some(flight), call);
            response.headers_mut().extend(fields);
            response
        }
    };
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    disclose(&mut response, &asked.label, call);
    response
}
