//! What a request must be before it goes anywhere: one host, one framing, a method that a gateway passes on.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};

/// Checks the head and brings it into its normal form: the target in origin form, the host of an absolute target in
/// `Host` (RFC 9112, section 3.2.2). Gives the status to refuse it with.
pub(crate) fn check(parts: &mut Parts, framing: Option<bool>) -> Result<(), StatusCode> {
    if parts.method == Method::CONNECT {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    check_framing(&parts.headers, framing)?;
    if let Some(authority) = parts.uri.authority() {
        // A host alone is only for `CONNECT`.
        parts.uri.scheme().ok_or(StatusCode::BAD_REQUEST)?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| StatusCode::BAD_REQUEST)?;
        single_host(parts)?;
        parts.headers.insert(HOST, host);
        let path = parts.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        parts.uri = Uri::from(path);
    }
    let host = single_host(parts)?;
    match host {
        Some(host) if !valid_host(host) => Err(StatusCode::BAD_REQUEST),
        None if parts.version >= Version::HTTP_11 => Err(StatusCode::BAD_REQUEST),
        _ if parts.uri.path().starts_with('/') || parts.uri.path() == "*" => Ok(()),
        _ => Err(StatusCode::BAD_REQUEST),
    }
}

/// `chunked` is the only transfer coding that is undone here, and never together with a length.
fn check_framing(headers: &HeaderMap, framing: Option<bool>) -> Result<(), StatusCode> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return Ok(());
    };
    if framing == Some(true) || headers.contains_key(CONTENT_LENGTH) || codings.next().is_some() {
        return Err(StatusCode::BAD_REQUEST);
    }
    if coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    Err(StatusCode::NOT_IMPLEMENTED)
}

/// Whether nobody saw if a chunked request had a length too; its connection is closed after it (RFC 9112, section 6.3).
pub(crate) fn doubtful(headers: &HeaderMap, framing: Option<bool>) -> bool {
    framing.is_none() && headers.contains_key(TRANSFER_ENCODING)
}

fn single_host(parts: &Parts) -> Result<Option<&HeaderValue>, StatusCode> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (host, None) => Ok(host),
        _ => Err(StatusCode::BAD_REQUEST),
    }
}

/// `host [ ":" port ]` of RFC 9110, section 7.2, without user information; may be empty.
fn valid_host(host: &HeaderValue) -> bool {
    host.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]%".contains(byte))
}

/// Whether it may be sent again when nobody knows if it arrived (RFC 9110, section 9.2.2).
pub(crate) fn idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE | Method::TRACE
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(target: &str, version: Version, headers: &[(&str, &str)]) -> Result<(String, String), u16> {
        let mut request = http::Request::builder().uri(target).version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        check(&mut parts, Some(false)).map_err(|status| status.as_u16())?;
        let host = parts.headers.get(HOST).map_or("", |host| host.to_str().unwrap()).to_owned();
        Ok((host, parts.uri.to_string()))
    }

    #[test]
    fn heads_are_refused_or_brought_into_form() {
        let ok = |host: &str, target: &str| Ok((host.to_owned(), target.to_owned()));
        let v11 = Version::HTTP_11;
        assert_eq!(checked("/a?b", v11, &[("host", "x:1")]), ok("x:1", "/a?b"));
        assert_eq!(checked("http://y/a?b", v11, &[("host", "x")]), ok("y", "/a?b"));
        assert_eq!(checked("http://y", v11, &[("host", "x")]), ok("y", "/"));
        assert_eq!(checked("/", Version::HTTP_10, &[]), ok("", "/"));
        assert_eq!(checked("*", v11, &[("host", "x")]), ok("x", "*"));
        assert_eq!(checked("/", v11, &[]), Err(400));
        assert_eq!(checked("/", v11, &[("host", "x"), ("host", "y")]), Err(400));
        assert_eq!(checked("http://y/", v11, &[("host", "x"), ("host", "y")]), Err(400));
        assert_eq!(checked("/", v11, &[("host", "x/y")]), Err(400));
        assert_eq!(checked("/", v11, &[("host", "a\"b")]), Err(400));
        assert_eq!(checked("y:80", v11, &[("host", "x")]), Err(400));
        assert_eq!(checked("http://u@y/", v11, &[("host", "x")]), Err(400));
        let te = "transfer-encoding";
        assert_eq!(checked("/", v11, &[("host", "x"), (te, "Chunked")]), ok("x", "/"));
        assert_eq!(checked("/", v11, &[("host", "x"), (te, "gzip, chunked")]), Err(501));
        assert_eq!(checked("/", v11, &[("host", "x"), (te, "chunked"), ("content-length", "1")]), Err(400));
        assert_eq!(checked("/", v11, &[("host", "x"), (te, "chunked"), (te, "chunked")]), Err(400));
    }
}
