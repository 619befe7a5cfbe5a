//! Answers that the proxy gives itself: a page, a file.

use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, STRICT_TRANSPORT_SECURITY};
use http::{HeaderValue, Method, Response, StatusCode, response};
use landfall_http1::Framing;

use super::exchange::Cut;
use super::flight::{Call, Flight, Turned};
use super::headers::{POOL, field};
use super::pump::Pump;
use super::side::{Broken, Client, Opening, Piece, Source};
use super::stall::Stall;
use crate::limits::STALL_TIMEOUT;
use crate::page::{Format, maintenance, page};
use crate::secure::redirect;

/// Bytes that are there.
pub(crate) struct Full(pub(crate) Bytes);

impl Source for Full {
    fn poll_piece(&mut self, _: &mut Context<'_>) -> Poll<Result<Piece, Broken>> {
        Poll::Ready(Ok(if self.0.is_empty() { Piece::End } else { Piece::Data }))
    }

    fn piece(&self) -> &[u8] {
        &self.0
    }

    fn consume(&mut self, count: usize) {
        self.0.advance(count);
    }

    fn trailers(&self) -> &[u8] {
        &[]
    }
}

/// Refuses a request with a page; it is under way until that is sent.
pub(crate) async fn refuse(
    call: &Call<'_>,
    client: &mut impl Client,
    status: u16,
    flight: Option<Flight>,
) -> Result<(), Cut> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let pages = flight.as_ref().map(|flight| &*flight.entry().pages);
    let (mut head, body) = page(status, format(call), &method(call), pages).into_parts();
    let hsts = flight.as_ref().and_then(|flight| call.hsts(flight.entry()));
    head.headers.extend(hsts.map(|hsts| (STRICT_TRANSPORT_SECURITY, hsts.clone())));
    let length = body.len() as u64;
    let sent = send(call, client, &head, Some(length), Full(body)).await;
    if let Some(flight) = flight {
        call.trace.landed(call, &flight);
    }
    sent
}

/// Refuses a request that no pool takes.
pub(crate) async fn turn_away(call: &Call<'_>, client: &mut impl Client, turned: Turned) -> Result<(), Cut> {
    let (format, method) = (format(call), method(call));
    let response = match turned {
        Turned::Unknown => page(StatusCode::NOT_FOUND, format, &method, None),
        Turned::Full(entry) => page(StatusCode::SERVICE_UNAVAILABLE, format, &method, Some(&entry.pages)),
        Turned::Maintenance(entry) => maintenance(format, &method, &entry.pages),
        Turned::Plain(entry) => {
            let (path, query) = call.request.path_and_query();
            let safe = matches!(call.request.method(), b"GET" | b"HEAD");
            let target = format!("{path}{query}");
            match redirect(&entry.config, call.request.host(), &target, safe) {
                Some(redirect) => redirect.map(|()| Bytes::new()),
                None => page(StatusCode::NOT_FOUND, format, &method, None),
            }
        }
        Turned::Gone => return Err(Cut),
    };
    let (head, body) = response.into_parts();
    let length = body.len() as u64;
    send(call, client, &head, Some(length), Full(body)).await
}

/// Answers an ACME server that looks whether a host is ours.
pub(crate) async fn prove(call: &Call<'_>, client: &mut impl Client, text: Bytes) -> Result<(), Cut> {
    let mut response = Response::new(text);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let (head, body) = response.into_parts();
    let length = body.len() as u64;
    send(call, client, &head, Some(length), Full(body)).await
}

/// The form in which the client is answered.
pub(crate) fn format(call: &Call<'_>) -> Format {
    Format::wanted(call.request.fields("accept"))
}

/// Whether the client wants a body, as pages are made for it.
pub(crate) fn method(call: &Call<'_>) -> Method {
    if call.request.is_head() { Method::HEAD } else { Method::GET }
}

/// Sends an answer of the proxy's own: this head, with the length that it names itself, or `length`.
pub(crate) async fn send(
    call: &Call<'_>,
    client: &mut impl Client,
    head: &response::Parts,
    length: Option<u64>,
    mut body: impl Source,
) -> Result<(), Cut> {
    let named = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let bare = call.request.is_head() || matches!(head.status.as_u16(), 204 | 304);
    let length = named.or(length).filter(|_| !matches!(head.status.as_u16(), 204 | 304));
    call.trace.answered(head.status.as_u16());
    client.open(&Opening {
        status: head.status.as_u16(),
        reason: head.status.canonical_reason().unwrap_or("").as_bytes(),
        length,
        body: !bare && length != Some(0),
        last: head.headers.contains_key(CONNECTION) || call.worker.closing() || unread(call, client),
        upgrade: None,
    });
    for (name, value) in &head.headers {
        if name != CONTENT_LENGTH && name != CONNECTION {
            field(client, name.as_str(), value.as_bytes());
        }
    }
    client.lines(&call.worker.date());
    client.opened().map_err(|_| Cut)?;
    let mut pump = Pump::new(None);
    let mut stall = Stall::new(STALL_TIMEOUT);
    let sent = poll_fn(|cx| {
        if bare {
            return match client.poll_flush(cx) {
                Poll::Ready(result) => Poll::Ready(result.map_err(|_| Cut)),
                Poll::Pending => stall.watch(call, true, 0),
            };
        }
        match pump.poll(cx, &mut body, client) {
            Poll::Ready(result) => Poll::Ready(result.map_err(|_| Cut)),
            Poll::Pending => stall.watch(call, true, pump.moved()),
        }
    })
    .await;
    call.trace.moved(0, pump.moved());
    sent
}

/// Whether a body is on its way that nobody reads: its connection ends.
fn unread(call: &Call<'_>, client: &impl Client) -> bool {
    call.request.head.body != Framing::None && !client.can_skip_body()
}

/// Names the pool on the answer to a probe, and on no other.
pub(crate) fn disclose(head: &mut response::Parts, label: &str, call: &Call<'_>) {
    if call.probe
        && let Ok(label) = HeaderValue::from_str(label)
    {
        head.headers.insert(POOL, label);
    }
}
