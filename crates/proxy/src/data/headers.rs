//! Which fields pass and which are set: hop-by-hop ones end here (RFC 9110, section 7.6.1), what a client says about its
//! own address is replaced, for nobody in front is trusted.

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue};

use super::connection::Client;

/// Asks for the pool's label; the value is the token that `status` shows.
pub(crate) const PROBE: HeaderName = HeaderName::from_static("x-landfall-probe");
/// Sends a probe to the pool with this label, whatever its weight.
pub(crate) const WANT: HeaderName = HeaderName::from_static("x-landfall-want");
/// The label of the pool that answered a probe.
pub(crate) const POOL: HeaderName = HeaderName::from_static("x-landfall-pool");
/// The request's name in the logs of everyone it passes.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// The protocol a request asks to change to, if it does.
pub(crate) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let wanted = headers.get(UPGRADE)?;
    connection_names(headers).any(|name| name.eq_ignore_ascii_case("upgrade")).then(|| wanted.clone())
}

/// Takes out of a request what ends here and puts in what the backend must know. `prefix` was taken off the path.
pub(crate) fn to_backend(
    headers: &mut HeaderMap,
    client: &Client,
    prefix: Option<&str>,
    request_id: impl FnOnce() -> HeaderValue,
) {
    let upgrade = upgrade(headers);
    let trailers = headers.get_all(TE).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|text| text.split(',').any(|word| word.trim().eq_ignore_ascii_case("trailers")))
    });
    remove(headers, |name| {
        *name == EXPECT
            || *name == PROBE
            || *name == WANT
            || *name == PROXY_AUTHORIZATION
            || claims_origin(name)
    });
    if let Some(protocol) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    let host = headers.get(HOST).cloned();
    if let Some(forwarded) = client.forwarded(host.as_ref()) {
        headers.insert(FORWARDED, forwarded);
    }
    if let Some(host) = host {
        headers.insert(FORWARDED_HOST, host);
    }
    headers.insert(FORWARDED_FOR, client.address.clone());
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    if let Some(prefix) = prefix.and_then(|prefix| HeaderValue::from_str(prefix).ok()) {
        headers.insert(FORWARDED_PREFIX, prefix);
    }
    if !headers.contains_key(&REQUEST_ID) {
        headers.insert(REQUEST_ID, request_id());
    }
}

/// Takes out of a response what ends here. A length beside a transfer coding is not to be believed.
pub(crate) fn to_client(headers: &mut HeaderMap, upgraded: bool) {
    let protocol = if upgraded { headers.get(UPGRADE).cloned() } else { None };
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    remove(headers, |name| *name == PROXY_AUTHENTICATE);
    if upgraded {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        if let Some(protocol) = protocol {
            headers.insert(UPGRADE, protocol);
        }
    }
}

/// Removes hop-by-hop fields, those that `Connection` names, and `others`. Nearly always finds little, without allocating.
fn remove(headers: &mut HeaderMap, others: impl Fn(&HeaderName) -> bool) {
    let mut gone: Vec<HeaderName> = Vec::new();
    if headers.contains_key(CONNECTION) {
        let named = connection_names(headers).filter_map(|name| HeaderName::try_from(name).ok());
        gone.extend(named.filter(|name| !framing(name)));
    }
    gone.extend(headers.keys().filter(|name| hop_by_hop(name) || others(name)).cloned());
    for name in gone {
        headers.remove(name);
    }
}

fn connection_names(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|name| !name.is_empty())
}

/// Fields that a client may not have removed by naming them in `Connection`: the message would become another one.
fn framing(name: &HeaderName) -> bool {
    *name == HOST || *name == CONTENT_LENGTH || *name == TRAILER
}

fn hop_by_hop(name: &HeaderName) -> bool {
    *name == CONNECTION
        || *name == TRANSFER_ENCODING
        || *name == TE
        || *name == UPGRADE
        || matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings")
}

/// Whether a field is one that backends take the client's address, host or protocol from. An underscore counts as a
/// hyphen: behind CGI and WSGI the two are one.
fn claims_origin(name: &HeaderName) -> bool {
    const STARTS: [&[u8]; 2] = [b"x-forwarded", b"forwarded"];
    let name = name.as_str().as_bytes();
    let starts = |start: &[u8]| {
        name.len() >= start.len()
            && name
                .iter()
                .zip(start)
                .all(|(byte, wanted)| byte == wanted || (*byte == b'_' && *wanted == b'-'))
    };
    match name.first() {
        Some(b'x' | b'f') => {
            STARTS.iter().any(|start| starts(start)) || name == b"x-real-ip" || name == b"x_real_ip"
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::connection::Progress;
    use super::*;

    fn passed(peer: &str, fields: &[(&'static str, &str)], prefix: Option<&str>) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let client = Client::new(
            "127.0.0.1:80".parse().unwrap(),
            peer.parse().unwrap(),
            Arc::new(Progress::new(Arc::default())),
        );
        to_backend(&mut headers, &client, prefix, || HeaderValue::from_static("made"));
        let mut lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    #[test]
    fn claims_of_the_client_are_replaced() {
        let fields = [
            ("host", "a.example"),
            ("x-forwarded-for", "6.6.6.6"),
            ("x_forwarded_for", "6.6.6.6"),
            ("x-forwarded-ssl", "on"),
            ("x-real-ip", "6.6.6.6"),
            ("forwarded", "for=6.6.6.6"),
            ("x-landfall-probe", "guess"),
            ("x-request-id", "mine"),
        ];
        let want = [
            "forwarded: for=10.0.0.9;host=\"a.example\";proto=http",
            "host: a.example",
            "x-forwarded-for: 10.0.0.9",
            "x-forwarded-host: a.example",
            "x-forwarded-prefix: /api",
            "x-forwarded-proto: http",
            "x-request-id: mine",
        ];
        assert_eq!(passed("10.0.0.9:5", &fields, Some("/api")), want);
    }

    #[test]
    fn hop_by_hop_fields_end_here() {
        let fields = [
            ("connection", "close, x-own, content-length, Host"),
            ("content-length", "5"),
            ("host", "a"),
            ("x-own", "1"),
            ("te", "gzip, trailers"),
            ("keep-alive", "timeout=5"),
            ("upgrade", "websocket"),
            ("expect", "100-continue"),
        ];
        let want = [
            "content-length: 5",
            "forwarded: for=\"[::1]\";host=\"a\";proto=http",
            "host: a",
            "te: trailers",
            "x-forwarded-for: ::1",
            "x-forwarded-host: a",
            "x-forwarded-proto: http",
            "x-request-id: made",
        ];
        assert_eq!(passed("[::1]:5", &fields, None), want);
        let upgrade = [("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")];
        let passed = passed("10.0.0.9:5", &upgrade, None);
        assert!(passed.contains(&"connection: upgrade".to_owned()), "{passed:?}");
        assert!(passed.contains(&"upgrade: websocket".to_owned()), "{passed:?}");
    }

    #[test]
    fn a_length_beside_a_coding_is_dropped() {
        let mut headers = HeaderMap::new();
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("5"));
        to_client(&mut headers, false);
        assert!(headers.is_empty(), "{headers:?}");
    }
}
