//! One request and its answer, whatever the two sides speak: route, hold, back end, retries, and what the client gets.

use std::sync::Arc;

use landfall_http1::Framing;
use landfall_model::Protocol;

use super::answer::answer;
use super::flight::{Call, Flight, Turned};
use super::idle::{connect, mark_down, says_down};
use super::own::{Full, disclose, format, method, prove, refuse, send as send_own, turn_away};
use super::send::{Outcome, send};
use super::side::{Broken, Client};
use super::upstream::{Lease, Upstream};
use crate::files;
use crate::limits::MAX_ATTEMPTS;
use crate::page::page;
use crate::state::pool::{BackendState, Backends, pick};
use crate::state::stats::Shard;

/// The client's connection is beyond use: it is closed as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut;

/// Answers one request.
///
/// # Errors
/// When the client's connection has to be cut, because it is gone or would take a part for the whole.
pub(crate) async fn exchange(call: &Call<'_>, client: &mut impl Client) -> Result<(), Cut> {
    if call.request.method() == b"CONNECT" {
        return Box::pin(refuse(call, client, 405, None)).await;
    }
    if let Some(text) = challenge(call) {
        return prove(call, client, text).await;
    }
    let flight = match call.enter(client).await {
        Ok(flight) => flight,
        Err(turned) => return Box::pin(turn_away(call, client, turned)).await,
    };
    if let (Framing::Length(length), Some(most)) = (call.request.head.body, flight.entry().config.http.body)
        && length > most
    {
        return Box::pin(refuse(call, client, 413, Some(flight))).await;
    }
    attempt(call, client, flight).await
}

/// What an ACME server asks for over plain HTTP, before any route is looked at.
fn challenge(call: &Call<'_>) -> Option<bytes::Bytes> {
    let (path, _) = call.request.path_and_query();
    if call.peer.tls.is_some() || !path.starts_with("/.well-known/") {
        return None;
    }
    call.worker.shared.certificates.http_answer(path)
}

/// Sends the request to one back end after the other until one answers, none is left or it is not safe any more.
async fn attempt(call: &Call<'_>, client: &mut impl Client, mut flight: Flight) -> Result<(), Cut> {
    let mut tried: Vec<u64> = Vec::new();
    let mut repeatable = call.request.repeatable();
    // On an idle connection that breaks it cannot be known whether the request arrived.
    let mut fresh = !repeatable;
    let mut sent = 0;
    let status = loop {
        let pool = Arc::clone(&flight.pool().backends);
        let backends = match &*pool {
            Backends::Instances(backends) => backends,
            Backends::Files(root) => return Box::pin(file(call, client, flight, root)).await,
        };
        let index = pick(backends, flight.entry().worker, call.worker.turn(), &tried);
        flight.assign(index);
        let reached = match index {
            Some(index) if sent < MAX_ATTEMPTS => lease(call, &flight, &backends[index], fresh).await,
            _ if flight.outdated() && sent < MAX_ATTEMPTS => None,
            _ => break 503,
        };
        let number = index.map(|index| backends[index].number);
        if let (Some(mut lease), Some(index)) = (reached, index) {
            sent += 1;
            let used = lease.used;
            match send(call, client, &flight, &mut lease, &backends[index]).await {
                Outcome::Answered(answered) => return answer(call, client, flight, lease, answered).await,
                Outcome::Broken if repeatable => {
                    // A back end that breaks off on a new connection may do so because of the request: one more try.
                    repeatable = used;
                }
                Outcome::Broken | Outcome::Malformed => break 502,
                Outcome::Late => break 504,
                Outcome::Client(broken) => return Box::pin(blame(call, client, flight, &broken)).await,
                Outcome::Slow => return Box::pin(refuse(call, client, 408, Some(flight))).await,
                Outcome::Gone => return Err(Cut),
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
            flight = match call.enter(client).await {
                Ok(flight) => flight,
                // It had a route when it came.
                Err(Turned::Unknown) => return Box::pin(refuse(call, client, 503, None)).await,
                Err(turned) => return Box::pin(turn_away(call, client, turned)).await,
            };
        }
    };
    flight.count(Shard::failed);
    Box::pin(refuse(call, client, status, Some(flight))).await
}

/// A connection to the back end: one that is idle, unless `fresh` is wanted, or a new one.
/// `None` when it takes none.
async fn lease(call: &Call<'_>, flight: &Flight, backend: &BackendState, fresh: bool) -> Option<Lease> {
    let two = flight.entry().config.http.protocol == Protocol::H2c;
    if !fresh || two && !call.request.repeatable() {
        let idle = match two {
            true => Box::pin(call.worker.streams.take(backend.number))
                .await
                .map(|one| Upstream::Two(Box::new(one))),
            false => call.worker.idle.take(backend.number).map(Upstream::One),
        };
        if let Some(side) = idle {
            return Some(Lease { side, used: true });
        }
    }
    let made = match two {
        true => Box::pin(call.worker.streams.connect(backend)).await.map(|one| Upstream::Two(Box::new(one))),
        false => Box::pin(connect(backend.address, &call.worker.pool)).await.map(Upstream::One),
    };
    match made {
        Ok(side) => Some(Lease { side, used: false }),
        Err(error) => {
            if says_down(&error) {
                mark_down(flight, backend);
            }
            None
        }
    }
}

/// The request's body is at fault.
async fn blame(
    call: &Call<'_>,
    client: &mut impl Client,
    flight: Flight,
    broken: &Broken,
) -> Result<(), Cut> {
    match broken {
        Broken::Rule(rule) => Box::pin(refuse(call, client, rule.status(), Some(flight))).await,
        Broken::TooLarge => Box::pin(refuse(call, client, 413, Some(flight))).await,
        Broken::Ended => Err(Cut),
    }
}

/// Answers with a file.
async fn file(
    call: &Call<'_>,
    client: &mut impl Client,
    mut flight: Flight,
    root: &std::path::Path,
) -> Result<(), Cut> {
    let asked = files::Asked {
        root,
        label: Arc::clone(&flight.pool().label),
        prefix: if flight.entry().config.strip { flight.entry().config.path_prefix() } else { "" },
        request: call.request,
    };
    let answer = files::answer(&asked).await;
    let label = Arc::clone(&asked.label);
    drop(asked);
    flight.count(|shard| match &answer {
        files::Answer::Refused(status, _) if status.is_server_error() => shard.failed(),
        _ => shard.served(http::StatusCode::OK, call.began.elapsed()),
    });
    let cookie = flight.cookie();
    let hsts = call.hsts(flight.entry()).cloned();
    let finish = |head: &mut http::response::Parts| {
        head.headers.extend(hsts.clone().map(|hsts| (http::header::STRICT_TRANSPORT_SECURITY, hsts)));
        head.headers.extend(cookie.clone().map(|cookie| (http::header::SET_COOKIE, cookie)));
        disclose(head, &label, call);
    };
    let sent = match answer {
        files::Answer::File(mut head, file) => {
            finish(&mut head);
            let length = file.left();
            send_own(call, client, &head, Some(length), file).await
        }
        files::Answer::Bytes(response) => {
            let (mut head, body) = response.into_parts();
            finish(&mut head);
            let length = body.len() as u64;
            send_own(call, client, &head, Some(length), Full(body)).await
        }
        files::Answer::Refused(status, fields) => {
            let pages = &flight.entry().pages;
            let (mut head, body) = page(status, format(call), &method(call), Some(pages)).into_parts();
            head.headers.extend(fields);
            finish(&mut head);
            let length = body.len() as u64;
            send_own(call, client, &head, Some(length), Full(body)).await
        }
    };
    call.trace.landed(call, &flight);
    sent
}

/// Keeps a connection to the back end for another request.
pub(crate) fn give_back(call: &Call<'_>, flight: &Flight, lease: Lease) {
    if let Some(backend) = flight.backend() {
        // A stream is over with its request.
        if let Upstream::One(link) = lease.side {
            call.worker.idle.put(backend, link, call.worker.tick());
        }
    }
}
