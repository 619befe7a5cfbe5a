//! The proxy's own short answers: a page for people, plain text for programs.

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

/// What to say for a status.
fn sentence(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "The request is malformed.",
        StatusCode::NOT_FOUND => "There is nothing here.",
        StatusCode::METHOD_NOT_ALLOWED => "This method is not allowed here.",
        StatusCode::NOT_IMPLEMENTED => "This way of sending a request is not supported.",
        StatusCode::BAD_GATEWAY => "The application broke off without an answer.",
        StatusCode::SERVICE_UNAVAILABLE => {
            "The application is not available right now. Please try again shortly."
        }
        StatusCode::GATEWAY_TIMEOUT => "The application did not answer in time.",
        StatusCode::RANGE_NOT_SATISFIABLE => "The file has no such part.",
        _ => "The request cannot be answered.",
    }
}

/// Whether the client takes a page.
pub(crate) fn wants_html(asked: &HeaderMap) -> bool {
    let named = |accept: &HeaderValue| {
        accept.as_bytes().windows(9).any(|part| part.eq_ignore_ascii_case(b"text/html"))
    };
    asked.get(ACCEPT).is_some_and(named)
}

/// Makes the answer. 503 carries `Retry-After`; malformed requests end their connection.
pub(crate) fn page(status: StatusCode, html: bool, method: &Method) -> Response<Bytes> {
    let reason = status.canonical_reason().unwrap_or("Error");
    let (code, says) = (status.as_u16(), sentence(status));
    let (kind, body) = if html {
        let style = "font:16px/1.5 system-ui,sans-serif;max-width:32em;margin:20vh auto;padding:0 1em";
        let head = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{code} {reason}</title>"
        );
        let body = format!("<body style=\"{style}\"><h1>{code} {reason}</h1><p>{says}</p></body></html>\n");
        ("text/html; charset=utf-8", head + &body)
    } else {
        ("text/plain; charset=utf-8", format!("{code} {reason}: {says}\n"))
    };
    let mut response = Response::new(if *method == Method::HEAD { Bytes::new() } else { body.into() });
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match status {
        StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        StatusCode::BAD_REQUEST | StatusCode::NOT_IMPLEMENTED => {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    response
}
