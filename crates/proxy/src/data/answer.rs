//! Hands a back end's answer to the client, while the request's body may still be on its way.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use http::StatusCode;
use landfall_http1::{Framing, Response};

use super::exchange::{Cut, give_back};
use super::flight::{Call, Flight};
use super::headers::{POOL, field, to_client};
use super::own::refuse;
use super::pump::{Failure, Pump, Waits};
use super::send::Answered;
use super::side::{Client, Opening};
use super::stall::Stall;
use super::tunnel;
use super::upstream::Lease;
use crate::state::stats::Shard;

/// What is left to do after a head was passed on.
struct Passed {
    status: StatusCode,
    /// Whether another request can be sent behind this answer.
    stays: bool,
}

/// Answers the client with what the back end says.
pub(crate) async fn answer(
    call: &Call<'_>,
    client: &mut impl Client,
    mut flight: Flight,
    mut lease: Lease,
    answered: Answered,
) -> Result<(), Cut> {
    let Answered { length, up } = answered;
    let upgraded = call.worker.answer.borrow().status == 101;
    if upgraded && (call.request.head.upgrade.is_none() || call.worker.answer.borrow().upgrade.is_none()) {
        // The back end changes to a protocol that nobody asked for.
        flight.count(Shard::failed);
        return Box::pin(refuse(call, client, 502, Some(flight))).await;
    }
    let passed = head(call, client, &mut flight, &mut lease, length, &up)?;
    let stall = Duration::from_millis(flight.entry().config.http.stall_ms);
    if upgraded {
        let ran = Box::pin(tunnel::run(call, client, lease, stall)).await;
        call.trace.landed(call, &flight);
        return ran;
    }
    let mut relay = Relay { up, down: Pump::new(None), stall: Stall::new(stall) };
    let ran = relay.run(call, client, &mut lease).await;
    call.trace.moved(relay.up.moved(), relay.down.moved());
    call.trace.landed(call, &flight);
    match ran {
        Ok(()) => {
            if passed.stays && relay.up.done() && lease.side.input().is_empty() {
                give_back(call, &flight, lease);
            }
            Ok(())
        }
        Err(End::Broke) => {
            // The client's connection is cut, so that it does not take a part for the whole.
            flight.count(|shard| shard.broke_off(passed.status));
            Err(Cut)
        }
        Err(End::Gone) => Err(Cut),
    }
}

/// Passes the head on.
fn head(
    call: &Call<'_>,
    client: &mut impl Client,
    flight: &mut Flight,
    lease: &mut Lease,
    length: usize,
    up: &Pump,
) -> Result<Passed, Cut> {
    let answer = call.worker.answer.borrow();
    let bytes = &lease.side.input()[..length];
    if answer.status == 101 || is_feed(&answer, bytes) {
        flight.begin_stream();
    }
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    call.trace.answered(answer.status);
    flight.count(|shard| shard.served(status, call.began.elapsed()));
    let upgrade = answer.upgrade.filter(|_| answer.status == 101).map(|protocol| protocol.of(bytes));
    client.open(&Opening {
        status: answer.status,
        reason: answer.reason.of(bytes),
        length: answer.said_length,
        body: answer.body != Framing::None,
        // A refusal that came before the body was read: nobody will read the rest.
        last: call.worker.closing() || (!up.complete() && answer.status >= 300),
        upgrade,
    });
    // Before what the back end says: browsers take the first (RFC 6797, section 8.1).
    if let Some(hsts) = call.hsts(flight.entry()) {
        field(client, "strict-transport-security", hsts.as_bytes());
    }
    let has_date = to_client(bytes, &answer, client);
    if !has_date {
        client.lines(&call.worker.date());
    }
    if let Some(cookie) = flight.cookie() {
        field(client, "set-cookie", cookie.as_bytes());
    }
    if call.probe {
        field(client, POOL, flight.pool().label.as_bytes());
    }
    client.opened().map_err(|_| Cut)?;
    let (body, stays) = (answer.body, answer.keeps_alive());
    drop(answer);
    lease.side.consume_head(length);
    lease.side.expect_body(body);
    Ok(Passed { status, stays })
}

/// Whether an answer is one of server-sent events (WHATWG HTML, section 9.2): such a one never says how long it is.
fn is_feed(answer: &Response, head: &[u8]) -> bool {
    if !matches!(answer.body, Framing::Chunked | Framing::Close) {
        return false;
    }
    let kind = answer.fields.iter().find(|field| field.name.of(head).eq_ignore_ascii_case(b"content-type"));
    kind.is_some_and(|field| {
        let value = field.value.of(head);
        let kind = value.split(|byte| *byte == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
    })
}

/// Both bodies on their way.
struct Relay {
    up: Pump,
    down: Pump,
    stall: Stall,
}

/// Why an answer came to no end.
enum End {
    /// The back end broke off.
    Broke,
    /// The client went away, or held things up for too long.
    Gone,
}

impl Relay {
    async fn run(&mut self, call: &Call<'_>, client: &mut impl Client, lease: &mut Lease) -> Result<(), End> {
        call.progress.limit(call.worker.tick(), None);
        poll_fn(|cx| {
            match self.down.poll(cx, &mut lease.side, client) {
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(Failure::Source(_))) => return Poll::Ready(Err(End::Broke)),
                Poll::Ready(Err(Failure::Sink)) => return Poll::Ready(Err(End::Gone)),
                Poll::Pending => {}
            }
            if self.up.active() {
                match self.up.poll(cx, client, &mut lease.side) {
                    Poll::Ready(Ok(())) | Poll::Pending => {}
                    // The rest of the body is not wanted, or is none; the answer stands.
                    Poll::Ready(Err(_)) => self.up.stop(),
                }
            } else if self.down.waits() == Waits::Source && client.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(End::Gone));
            }
            let waits = self.down.waits() == Waits::Sink;
            self.stall.watch(call, waits, self.down.moved()).map(|stalled| stalled.map_err(|_| End::Gone))
        })
        .await
    }
}
