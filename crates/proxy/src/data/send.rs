//! Sends a request to a back end and waits for the head of its answer, while the request's body is still on its way.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use landfall_http1::Rule;
use landfall_model::Protocol;

use super::flight::{Call, Flight};
use super::headers::to_backend;
use super::link::NoHead;
use super::pump::{Failure, Pump, Waits};
use super::side::{Broken, Client};
use super::upstream::{Lease, Upstream};
use crate::config::HttpOptions;
use crate::limits::{BACKEND_HEAD, MAX_INTERIM, STALL_BYTES};
use crate::state::pool::BackendState;
use crate::state::table::Entry;

/// A back end's answer has begun.
pub(crate) struct Answered {
    /// The length of its head, which lies at the front of the connection's input and was read into
    /// [`super::worker::Worker::answer`].
    pub(crate) length: usize,
    /// The way of the request's body, which may not be at its end.
    pub(crate) up: Pump,
}

/// How one attempt ended.
pub(crate) enum Outcome {
    /// The back end began its answer.
    Answered(Answered),
    /// It broke off; it may have got the request.
    Broken,
    /// What it said is no answer.
    Malformed,
    /// It did not answer in time.
    Late,
    /// The client's body is at fault.
    Client(Broken),
    /// The client did not send its body in time.
    Slow,
    /// The client went away.
    Gone,
}

/// Sends the request once.
pub(crate) async fn send(
    call: &Call<'_>,
    client: &mut impl Client,
    flight: &Flight,
    lease: &mut Lease,
    backend: &BackendState,
) -> Outcome {
    let entry = flight.entry();
    if request(call, entry, &mut lease.side, backend.host.as_bytes()).is_err() {
        return Outcome::Broken;
    }
    if call.request.head.continues {
        client.go_on();
    }
    let mut sending = Sending::new(&entry.config.http);
    let mut interim = 0;
    loop {
        let length = match sending.head(call, client, lease).await {
            Ok(length) => length,
            Err(outcome) => return outcome,
        };
        let Ok(status) = read(call, lease, length) else {
            return Outcome::Malformed;
        };
        if status >= 200 || status == 101 {
            return Outcome::Answered(Answered { length, up: sending.up });
        }
        interim += 1;
        if interim > MAX_INTERIM {
            return Outcome::Malformed;
        }
        // A 100 answers an expectation that went no further than here.
        if status != 100 {
            tell(call, client, lease, length);
        }
        lease.side.consume_head(length);
    }
}

/// Puts the head of the request.
fn request(call: &Call<'_>, entry: &Entry, side: &mut Upstream, backend: &[u8]) -> io::Result<()> {
    let head = &call.request.head;
    let target = call.request.target();
    let prefix = entry.config.path_prefix();
    let (slash, target) = match entry.config.strip.then(|| target.strip_prefix(prefix)).flatten() {
        Some(rest) => (!rest.starts_with('/'), rest),
        None => (head.slash, target),
    };
    let host = call.request.host().map_or(backend, str::as_bytes);
    side.open(call.request.method(), &[if slash { "/" } else { "" }, target], host);
    to_backend(call, entry, side);
    let upgrade = head.upgrade.map(|protocol| protocol.of(call.request.bytes.filled()));
    // Some servers want to be told that a POST has no body.
    let tell = matches!(call.request.method(), b"POST" | b"PUT" | b"PATCH");
    side.opened(head.body, tell, upgrade)
}

/// Reads the head of an answer, to be found in the worker's own.
fn read(call: &Call<'_>, lease: &Lease, length: usize) -> Result<u16, Rule> {
    let mut answer = call.worker.answer.borrow_mut();
    answer.read(&lease.side.input()[..length], call.request.is_head(), &BACKEND_HEAD)?;
    Ok(answer.status)
}

/// Passes on an answer that only announces another.
fn tell(call: &Call<'_>, client: &mut impl Client, lease: &Lease, length: usize) {
    let answer = call.worker.answer.borrow();
    let bytes = &lease.side.input()[..length];
    let mut lines = Vec::new();
    super::headers::to_client(bytes, &answer, &mut lines);
    client.interim(answer.status, answer.reason.of(bytes), &lines);
}

/// A request on its way.
struct Sending {
    up: Pump,
    /// How long the back end may take to answer while nothing moves.
    answer: Duration,
    /// How long the client may take for how much of its body.
    pace: (Duration, u64),
    /// What is limited, after so many steps.
    limited: Option<(Waits, u64)>,
}

impl Sending {
    fn new(options: &HttpOptions) -> Self {
        let answer = Duration::from_millis(options.answer_ms);
        // A call of gRPC that streams is silent for as long as both sides like, and takes no place from others.
        let pace = match options.protocol {
            Protocol::H2c => (answer, 1),
            Protocol::Http1 => (Duration::from_millis(options.stall_ms), STALL_BYTES),
        };
        Self { up: Pump::new(options.body), answer, pace, limited: None }
    }

    /// Waits for the head of the next answer.
    async fn head(
        &mut self,
        call: &Call<'_>,
        client: &mut impl Client,
        lease: &mut Lease,
    ) -> Result<usize, Outcome> {
        poll_fn(|cx| {
            if self.up.active() {
                match self.up.poll(cx, client, &mut lease.side) {
                    Poll::Ready(Ok(())) | Poll::Pending => {}
                    Poll::Ready(Err(Failure::Source(broken))) => {
                        return Poll::Ready(Err(Outcome::Client(broken)));
                    }
                    // Its answer may be on the way all the same: it refuses the body.
                    Poll::Ready(Err(Failure::Sink)) => self.up.stop(),
                }
            }
            match lease.side.poll_head(cx, &BACKEND_HEAD) {
                Poll::Ready(Ok(length)) => return Poll::Ready(Ok(length)),
                Poll::Ready(Err(NoHead::Ended)) => return Poll::Ready(Err(Outcome::Broken)),
                Poll::Ready(Err(NoHead::Rule(_))) => return Poll::Ready(Err(Outcome::Malformed)),
                Poll::Pending => {}
            }
            // What the client was told to go on with, or an interim answer.
            let _ = client.poll_flush(cx);
            if !self.up.active() && client.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Outcome::Gone));
            }
            self.limit(call)
        })
        .await
    }

    /// Sets how long this may last, or says that it lasted too long.
    fn limit(&mut self, call: &Call<'_>) -> Poll<Result<usize, Outcome>> {
        let waits = if self.up.active() { self.up.waits() } else { Waits::Sink };
        let (limit, step) = if waits == Waits::Source { self.pace } else { (self.answer, 1) };
        let now = Some((waits, self.up.moved() / step));
        if self.limited != now {
            self.limited = now;
            call.progress.limit(call.worker.tick(), Some(limit));
        } else if call.progress.expired() {
            return Poll::Ready(Err(if waits == Waits::Source { Outcome::Slow } else { Outcome::Late }));
        }
        Poll::Pending
    }
}
