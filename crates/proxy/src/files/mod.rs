//! Static files of a folder: GET and HEAD, conditions, one range, an index, the site's own page for what is missing.

mod caching;
mod encoding;
mod find;
mod kind;
mod path;
mod range;
mod stream;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderName, LAST_MODIFIED, LOCATION, VARY,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, response};

use encoding::Accepts;
use find::{Content, Found, Open};
use range::Part;
pub(crate) use stream::FileBody;

use crate::data::Incoming;

/// What is asked for.
pub(crate) struct Asked<'a> {
    pub(crate) root: &'a Path,
    /// Goes into the entity tags: two releases of a file may share size and time.
    pub(crate) label: Arc<str>,
    /// What is taken off the path.
    pub(crate) prefix: &'a str,
    pub(crate) request: &'a Incoming,
}

/// What to say.
pub(crate) enum Answer {
    /// A head, and a file to stream behind it.
    File(response::Parts, FileBody),
    /// All of it.
    Bytes(Response<Bytes>),
    /// The proxy's own page, with these fields.
    Refused(StatusCode, HeaderMap),
}

/// Answers with a file of the folder.
pub(crate) async fn answer(asked: &Asked<'_>) -> Answer {
    if !matches!(asked.request.method(), b"GET" | b"HEAD") {
        return refused(StatusCode::METHOD_NOT_ALLOWED, ALLOW, "GET, HEAD".to_owned());
    }
    let (path, _) = asked.request.path_and_query();
    let Some(wanted) = path::wanted(path.strip_prefix(asked.prefix).unwrap_or(path)) else {
        return Answer::Refused(StatusCode::NOT_FOUND, HeaderMap::new());
    };
    let root = asked.root.to_owned();
    let control = caching::control(if wanted.folder { Path::new("index.html") } else { &wanted.path });
    // A part is one of the file as it is.
    let whole = asked.request.field("range").is_none();
    let codings = asked.request.fields("accept-encoding");
    let accepts = if whole { Accepts::of(codings) } else { Accepts::default() };
    let found = tokio::task::spawn_blocking(move || find::find(&root, &wanted, accepts)).await;
    match found {
        Ok(Ok(Found::File(open))) => existing(asked, open, control),
        Ok(Ok(Found::Missing(Some(open)))) => {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(open.kind));
            send(asked, response, open, None)
        }
        Ok(Ok(Found::Missing(None))) => Answer::Refused(StatusCode::NOT_FOUND, HeaderMap::new()),
        Ok(Ok(Found::Folder)) => refused(StatusCode::PERMANENT_REDIRECT, LOCATION, with_slash(asked.request)),
        Ok(Err(_)) | Err(_) => Answer::Refused(StatusCode::INTERNAL_SERVER_ERROR, HeaderMap::new()),
    }
}

fn refused(status: StatusCode, name: HeaderName, value: String) -> Answer {
    let value = HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("/"));
    Answer::Refused(status, HeaderMap::from_iter([(name, value)]))
}

/// The same target with a slash at the end of its path; never one that a browser takes for another host.
fn with_slash(request: &Incoming) -> String {
    let (path, query) = request.path_and_query();
    format!("/{}/{query}", path.trim_matches('/'))
}

fn existing(asked: &Asked<'_>, open: Open, control: &'static str) -> Answer {
    let tag = entity_tag(&asked.label, &open);
    let date = httpdate::fmt_http_date(open.changed);
    let mut response = Response::new(());
    let headers = response.headers_mut();
    for (name, value) in [(ETAG, &tag), (LAST_MODIFIED, &date)] {
        headers.insert(name, HeaderValue::from_str(value).expect("made of visible ASCII"));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(control));
    if encoding::compressible(open.kind) || open.encoding.is_some() {
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    if not_modified(asked.request, &tag, &date) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Answer::Bytes(response.map(|()| Bytes::new()));
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(open.kind));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(coding) = open.encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    let get = asked.request.method() == b"GET";
    let same = asked.request.field("if-range").is_none_or(|condition| condition == tag || condition == date);
    let part = match asked.request.field("range").filter(|_| same && get) {
        Some(text) => range::part(text, open.length),
        None => Part::Whole,
    };
    match part {
        Part::Whole => send(asked, response, open, None),
        Part::Of(first, last) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let value = format!("bytes {first}-{last}/{}", open.length);
            let value = HeaderValue::try_from(value).expect("made of visible ASCII");
            response.headers_mut().insert(CONTENT_RANGE, value);
            send(asked, response, open, Some((first, last)))
        }
        Part::Outside => {
            refused(StatusCode::RANGE_NOT_SATISFIABLE, CONTENT_RANGE, format!("bytes */{}", open.length))
        }
    }
}

/// Sends a part of a file, first and last byte, or all of it.
fn send(asked: &Asked<'_>, response: Response<()>, open: Open, part: Option<(u64, u64)>) -> Answer {
    let (first, length) = part.map_or((0, open.length), |(first, last)| (first, last - first + 1));
    let (mut head, ()) = response.into_parts();
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if asked.request.is_head() {
        return Answer::Bytes(Response::from_parts(head, Bytes::new()));
    }
    match open.content {
        Content::Read(bytes) => {
            let (from, to) = (range::index(first), range::index(first + length));
            // A file that shrank while it was read gives what is left; the length is then that of what is sent.
            let bytes = bytes.slice(from.min(bytes.len())..to.min(bytes.len()));
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            Answer::Bytes(Response::from_parts(head, bytes))
        }
        Content::Stream(file) => Answer::File(head, FileBody::new(file, first, length)),
    }
}

/// Made of label, size and time; FNV-1a, for it only has to differ.
fn entity_tag(label: &str, open: &Open) -> String {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = label.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    let since = open.changed.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    // Each form of a file is another entity.
    let form = open.encoding.map_or(String::new(), |coding| format!("-{coding}"));
    format!("\"{hash:x}-{:x}-{:x}{form}\"", open.length, since.as_nanos())
}

/// RFC 9110, section 13.2.2. A date must be the very one that was given: an older release may come back.
fn not_modified(request: &Incoming, tag: &str, date: &str) -> bool {
    let mut tags = request.fields("if-none-match").peekable();
    if tags.peek().is_some() {
        return tags.flat_map(|value| value.split(',')).any(|one| {
            let one = one.trim();
            one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag
        });
    }
    request.field("if-modified-since") == Some(date)
}
