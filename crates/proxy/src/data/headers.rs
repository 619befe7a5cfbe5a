//! Which fields pass and which are set: hop-by-hop ones end here (RFC 9110, section 7.6.1), what a client says about its
//! own address is replaced, unless a proxy that is trusted says it.

use std::net::IpAddr;

use landfall_http1::{Field, Known, Response};

use super::flight::{Call, PROBE, REQUEST_ID, WANT};
use super::side::Lines;
use crate::state::table::Entry;

/// The label of the pool that answered a probe.
pub(crate) const POOL: &str = "x-landfall-pool";

/// Puts the fields of a request as the back end is to see them: what passes, then what it must know of the client.
/// `host` is what goes to it as `Host`.
pub(crate) fn to_backend(call: &Call<'_>, entry: &Entry, out: &mut impl Lines) {
    let (bytes, head) = (call.request.bytes.filled(), &call.request.head);
    copy(bytes, &head.fields, head.length, out, |field| {
        let name = field.name.of(bytes);
        match field.known {
            Known::Other => {
                let passes = match name[0] {
                    b'x' | b'X' => !is_told(name) && !is(name, PROBE) && !is(name, WANT),
                    b'f' | b'F' => !is_told(name),
                    _ => true,
                };
                passes && !head.drops(bytes, field)
            }
            Known::Cookie | Known::Trailer => true,
            Known::Connection
            | Known::ContentLength
            | Known::TransferEncoding
            | Known::Host
            | Known::Expect
            | Known::Te
            | Known::Upgrade
            | Known::HopByHop
            | Known::ProxyAuthentication => false,
        }
    });
    if head.trailers {
        out.lines(b"te: trailers\r\n");
    }
    origin(call, entry, out);
    if entry.config.strip {
        field(out, "x-forwarded-prefix", entry.config.prefix.as_bytes());
    }
    match call.client_id() {
        Some(id) => field(out, REQUEST_ID, id),
        None => field(out, REQUEST_ID, &call.own_id()),
    }
}

/// Tells where the request came from: `X-Forwarded-*` and `Forwarded` (RFC 7239).
fn origin(call: &Call<'_>, entry: &Entry, out: &mut impl Lines) {
    let origin = super::origin::of(call, &entry.config.http.trusted);
    let text = Text::of(origin.address);
    field(out, "x-forwarded-for", text.bytes());
    let proto: &[u8] = if origin.secure { b"https" } else { b"http" };
    field(out, "x-forwarded-proto", proto);
    out.lines(b"forwarded: for=");
    // IPv6 in brackets and quotes (RFC 7239, section 6).
    if origin.address.is_ipv6() {
        out.lines(b"\"[");
        out.lines(text.bytes());
        out.lines(b"]\"");
    } else {
        out.lines(text.bytes());
    }
    if let Some(host) = origin.host {
        // The request check allows no quotes or backslashes in a host.
        out.lines(b";host=\"");
        out.lines(host.as_bytes());
        out.lines(b"\"");
    }
    out.lines(b";proto=");
    out.lines(proto);
    out.lines(b"\r\n");
    if let Some(host) = origin.host {
        field(out, "x-forwarded-host", host.as_bytes());
    }
}

/// Puts the fields of an answer as the client is to see them; gives whether a `Date` is among them.
pub(crate) fn to_client(bytes: &[u8], head: &Response, out: &mut impl Lines) -> bool {
    let mut has_date = false;
    copy(bytes, &head.fields, head.length, out, |field| {
        let name = field.name.of(bytes);
        has_date |= name.eq_ignore_ascii_case(b"date");
        match field.known {
            Known::Other => !is(name, POOL) && !head.drops(bytes, field),
            Known::Cookie | Known::Trailer | Known::Host | Known::Expect => true,
            Known::Connection
            | Known::ContentLength
            | Known::TransferEncoding
            | Known::Te
            | Known::Upgrade
            | Known::HopByHop
            | Known::ProxyAuthentication => false,
        }
    });
    has_date
}

/// Copies the fields that pass. Neighbours that are in plain form go in one piece, others are brought into it.
fn copy(
    bytes: &[u8],
    fields: &[Field],
    length: usize,
    out: &mut impl Lines,
    mut passes: impl FnMut(&Field) -> bool,
) {
    let mut run = fields.first().map_or(0, |field| field.name.start());
    for (index, one) in fields.iter().enumerate() {
        let end = fields.get(index + 1).map_or(length - 2, |next| next.name.start());
        let pass = passes(one);
        if pass && one.is_plain(end) {
            continue;
        }
        out.lines(&bytes[run..one.name.start()]);
        run = end;
        if pass {
            out.lines(one.name.of(bytes));
            out.lines(b": ");
            out.lines(one.value.of(bytes));
            out.lines(b"\r\n");
        }
    }
    if !fields.is_empty() {
        out.lines(&bytes[run..length - 2]);
    }
}

/// Puts one field.
pub(crate) fn field(out: &mut impl Lines, name: &str, value: &[u8]) {
    out.lines(name.as_bytes());
    out.lines(b": ");
    out.lines(value);
    out.lines(b"\r\n");
}

fn is(name: &[u8], wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted.as_bytes())
}

/// Whether a field is one that back ends are told here: the client's address, host or protocol, the request's name. An
/// underscore counts as a hyphen: behind CGI and WSGI the two are one.
fn is_told(name: &[u8]) -> bool {
    let starts = |start: &[u8]| {
        name.len() >= start.len()
            && name
                .iter()
                .zip(start)
                .all(|(byte, wanted)| byte.eq_ignore_ascii_case(wanted) || (*byte == b'_' && *wanted == b'-'))
    };
    let is = |wanted: &[u8]| name.len() == wanted.len() && starts(wanted);
    starts(b"x-forwarded") || starts(b"forwarded") || is(b"x-real-ip") || is(REQUEST_ID.as_bytes())
}

/// An address as text, on the stack: the longest has 45 characters (RFC 4291, section 2.2).
struct Text {
    bytes: [u8; 45],
    length: usize,
}

impl Text {
    fn of(address: IpAddr) -> Self {
        use std::io::Write as _;
        let mut bytes = [0; 45];
        let mut rest = &mut bytes[..];
        let written = write!(rest, "{address}");
        debug_assert!(written.is_ok(), "an address is longer than the longest");
        let left = rest.len();
        Self { bytes, length: 45 - left }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}
