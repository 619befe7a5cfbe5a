//! The proxy's own short answers: the application's own page or a plain one for people, JSON or plain text for programs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::json;

use crate::HttpOptions;
use crate::limits::{MAX_PAGE, MAX_PAGES};

/// Pages of a route's own, in memory.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    errors: BTreeMap<u16, Bytes>,
    maintenance: Option<Bytes>,
}

impl Pages {
    /// Reads them.
    ///
    /// # Errors
    /// Which file is not there, is no file, too large or no text, or that there are too many.
    pub(crate) fn load(http: &HttpOptions) -> Result<Self, String> {
        if http.errors.len() > MAX_PAGES {
            return Err(format!("{} error pages are more than the {MAX_PAGES} allowed", http.errors.len()));
        }
        let errors = http.errors.iter().map(|(status, path)| Ok((*status, read(path)?)));
        let maintenance = http.maintenance.as_deref().map(read).transpose()?;
        Ok(Self { errors: errors.collect::<Result<_, String>>()?, maintenance })
    }
}

fn read(path: &Path) -> Result<Bytes, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("the page {} cannot be used: {why}", path.display());
    // Asked first: opening a pipe would wait for somebody to write to it.
    if !fs::metadata(path).map_err(|error| wrong(&error))?.is_file() {
        return Err(wrong(&"it is no file"));
    }
    let file = File::open(path).map_err(|error| wrong(&error))?;
    let mut bytes = Vec::new();
    file.take(MAX_PAGE + 1).read_to_end(&mut bytes).map_err(|error| wrong(&error))?;
    if bytes.len() as u64 > MAX_PAGE {
        return Err(wrong(&format!("it has more than {MAX_PAGE} bytes")));
    }
    match std::str::from_utf8(&bytes) {
        Ok(_) => Ok(bytes.into()),
        Err(error) => Err(wrong(&error)),
    }
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A page for people.
    Html,
    /// An object for programs.
    Json,
    /// A line.
    Plain,
}

impl Format {
    /// What the client wants most by its `Accept` fields (RFC 9110, section 12.5.1), plain text when it names nothing of
    /// ours.
    pub(crate) fn wanted<'a>(fields: impl Iterator<Item = &'a str>) -> Self {
        let mut best = (Self::Plain, 0.0);
        for range in fields.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let weight =
                parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
            let format = match kind {
                kind if kind.eq_ignore_ascii_case("text/html") => Self::Html,
                kind if kind.eq_ignore_ascii_case("application/json") => Self::Json,
                kind if kind.eq_ignore_ascii_case("text/plain") => Self::Plain,
                _ => continue,
            };
            if weight > best.1 {
                best = (format, weight);
            }
        }
        best.0
    }
}

/// What to say for a status.
fn sentence(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "The request is malformed.",
        StatusCode::NOT_FOUND => "There is nothing here.",
        StatusCode::METHOD_NOT_ALLOWED => "This method is not allowed here.",
        StatusCode::PAYLOAD_TOO_LARGE => "The request is too large.",
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

/// Makes the answer, with the route's own page for the status if it has one. 503 carries `Retry-After`; malformed requests
/// end their connection.
pub(crate) fn page(
    status: StatusCode,
    format: Format,
    method: &Method,
    pages: Option<&Pages>,
) -> Response<Bytes> {
    let own = pages.and_then(|pages| pages.errors.get(&status.as_u16()));
    let mut response = answer(status, sentence(status), format, method, own);
    let headers = response.headers_mut();
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

/// Makes the answer while a route is under maintenance: its maintenance page, else its own for 503, else a plain one.
pub(crate) fn maintenance(format: Format, method: &Method, pages: &Pages) -> Response<Bytes> {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let own = pages.maintenance.as_ref().or_else(|| pages.errors.get(&status.as_u16()));
    let says = "The application is being worked on. Please come back a little later.";
    let mut response = answer(status, says, format, method, own);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
    response
}

fn answer(
    status: StatusCode,
    says: &str,
    format: Format,
    method: &Method,
    own: Option<&Bytes>,
) -> Response<Bytes> {
    let reason = status.canonical_reason().unwrap_or("Error");
    let code = status.as_u16();
    let (kind, body) = match (format, own) {
        (Format::Html, Some(own)) => ("text/html; charset=utf-8", own.clone()),
        (Format::Html, None) => ("text/html; charset=utf-8", html(code, reason, says).into()),
        (Format::Json, _) => {
            let object = json!({ "status": code, "error": reason, "message": says });
            ("application/json", format!("{object}\n").into())
        }
        (Format::Plain, _) => ("text/plain; charset=utf-8", format!("{code} {reason}: {says}\n").into()),
    };
    let mut response = Response::new(if *method == Method::HEAD { Bytes::new() } else { body });
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn html(code: u16, reason: &str, says: &str) -> String {
    let style = "font:16px/1.5 system-ui,sans-serif;max-width:32em;margin:20vh auto;padding:0 1em";
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{code} {reason}</title>\
         <body style=\"{style}\"><h1>{code} {reason}</h1><p>{says}</p></body></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_says_what_it_wants() {
        let cases = [
            ("", Format::Plain),
            ("*/*", Format::Plain),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format::Html),
            ("application/json", Format::Json),
            ("text/html;q=0.1, Application/JSON;q=0.5", Format::Json),
            ("application/json, text/html", Format::Json),
            ("text/html;q=0", Format::Plain),
            ("text/html;q=nonsense", Format::Plain),
        ];
        for (accept, want) in cases {
            assert_eq!(Format::wanted([accept].into_iter()), want, "{accept}");
        }
    }

    #[test]
    fn bad_pages_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("good"), "good").unwrap();
        fs::write(at("large"), vec![b'x'; 1024 * 1024 + 1]).unwrap();
        fs::write(at("binary"), [0xff, 0xfe]).unwrap();
        let told = |name: &str| {
            let mut http = HttpOptions { maintenance: Some(at("good")), ..HttpOptions::default() };
            http.errors.insert(502, at(name));
            Pages::load(&http).map(|pages| pages.errors[&502].clone()).map_err(|error| {
                assert!(error.contains(at(name).to_str().unwrap()), "{error}");
                error
            })
        };
        assert_eq!(told("good").unwrap(), "good");
        assert!(told("none").unwrap_err().contains("No such file"));
        assert!(told("").unwrap_err().contains("no file"));
        assert!(told("large").unwrap_err().contains("1048576"));
        assert!(told("binary").unwrap_err().contains("utf-8"));
    }
}
