//! What the access log says of a request, kept until its answer is known.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST, REFERER, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, Response};
use hyper::body::Body as _;

use super::body::ProxyBody;
use super::connection::Client;
use super::headers::REQUEST_ID;
use super::serve::Call;
use super::worker::Worker;
use crate::access::Record;

/// The request's part of a record.
pub(crate) struct Logged {
    client: IpAddr,
    method: http::Method,
    target: http::Uri,
    headers: HeaderMap,
}

impl Logged {
    /// Keeps what is needed, where there is a log.
    pub(crate) fn new(worker: &Rc<Worker>, client: &Rc<Client>, parts: &Parts) -> Option<Self> {
        worker.access.is_on().then(|| Self {
            client: client.ip,
            method: parts.method.clone(),
            target: parts.uri.clone(),
            headers: parts.headers.clone(),
        })
    }

    /// Logs it with its answer.
    pub(crate) fn finish(&self, call: &Call, response: &Response<ProxyBody>) {
        let flight = response.body().flight();
        if flight.is_some_and(|flight| !flight.entry().config.http.access_log) {
            return;
        }
        let field = |name| self.headers.get(name).map(http::HeaderValue::as_bytes);
        let length = field(CONTENT_LENGTH).and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        let (received, sent) = (length.unwrap_or(0), response.body().size_hint().lower());
        if let Some(flight) = flight {
            flight.count(|shard| shard.passed(received, sent));
        }
        let target = self.target.path_and_query().map_or("*", http::uri::PathAndQuery::as_str);
        call.worker.access.log(&Record {
            id: field(REQUEST_ID).unwrap_or_default(),
            client: self.client,
            method: self.method.as_str(),
            host: field(HOST).unwrap_or_default(),
            target,
            status: response.status().as_u16(),
            received,
            sent,
            took: call.began.elapsed(),
            held: Duration::ZERO,
            route: flight.map(|flight| (flight.entry().config.id.as_str(), &*flight.pool().label)),
            backend: flight.and_then(|flight| Some(flight.backend()?.address)),
            protocol: "HTTP/1.1",
            tls: None,
            agent: field(USER_AGENT),
            referer: field(REFERER),
        });
    }
}
