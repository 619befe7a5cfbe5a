//! Calls that bollard has no place for: each over a connection of its own that ends with the call, so that dropping it
//! cancels what the engine does.

use std::io;
use std::pin::Pin;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use landfall_model::Fault;
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;

use crate::fault;
use crate::wire::Dial;

/// The longest error that is read.
const MAX_ERROR: usize = 64 * 1024;

/// The longest line of an answer that comes as lines of JSON.
const MAX_LINE: usize = 16 * 1024 * 1024;

/// What is sent.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Nothing to send.
pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Bytes to send.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// An answer that is read while its connection lives.
pub(crate) struct Answer {
    response: Response<Incoming>,
    _connection: Driven,
    /// Read, and not yet given as lines.
    rest: Vec<u8>,
}

/// A connection that is driven by a task of its own; dropping this closes it.
struct Driven(JoinHandle<()>);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Dial {
    /// Sends a request over a new connection and waits for the answer to begin; no limit in time.
    ///
    /// # Errors
    /// `doing` begins the message: when nothing can be connected to, or the engine answers with an error.
    pub(crate) async fn call(&self, doing: &str, request: Request<Body>) -> Result<Answer, Fault> {
        let broke = |why: io::Error| fault::broke(doing, &why);
        let wire = self.open().await.map_err(broke)?;
        let shaken = http1::handshake(TokioIo::new(wire)).await;
        let (mut sender, connection) = shaken.map_err(io::Error::other).map_err(broke)?;
        let driven = Driven(tokio::spawn(async move {
            let _ = connection.with_upgrades().await;
        }));
        let response = sender.send_request(request).await.map_err(io::Error::other).map_err(broke)?;
        let status = response.status();
        if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Answer { response, _connection: driven, rest: Vec::new() });
        }
        let body = Limited::new(response.into_body(), MAX_ERROR).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let message = serde_json::from_slice::<serde_json::Value>(&body).ok();
        let message = message.and_then(|value| value.get("message")?.as_str().map(str::to_owned));
        let message = message.unwrap_or_else(|| String::from_utf8_lossy(&body).trim().to_owned());
        Err(fault::said(doing, status.as_u16(), &message))
    }

    /// Sends a request that turns its connection into another protocol's, and gives that.
    ///
    /// # Errors
    /// As `call`, and when the engine does not change over.
    pub(crate) async fn upgrade(
        &self,
        doing: &str,
        request: Request<Body>,
    ) -> Result<TokioIo<Upgraded>, Fault> {
        let broke = |why: io::Error| fault::broke(doing, &why);
        let answer = self.call(doing, request).await?;
        if answer.response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(broke(io::Error::other("the engine did not change the protocol")));
        }
        let upgraded = hyper::upgrade::on(answer.response).await;
        upgraded.map(TokioIo::new).map_err(io::Error::other).map_err(broke)
    }
}

impl Answer {
    /// The whole body as one value.
    ///
    /// # Errors
    /// When the connection breaks or the body is no such value, or over `MAX_LINE`.
    pub(crate) async fn value<T: DeserializeOwned>(mut self) -> io::Result<T> {
        while let Some(chunk) = self.chunk().await? {
            self.rest.extend_from_slice(&chunk);
            if self.rest.len() > MAX_LINE {
                return Err(io::Error::other("the answer is too long"));
            }
        }
        serde_json::from_slice(&self.rest).map_err(io::Error::other)
    }

    /// The next line of the body; `None` at its end.
    ///
    /// # Errors
    /// When the connection breaks or a line is over `MAX_LINE`.
    pub(crate) async fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.rest[searched..].iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.rest.drain(..=searched + end).collect();
                line.pop();
                return Ok(Some(line));
            }
            searched = self.rest.len();
            if searched > MAX_LINE {
                return Err(io::Error::other("a line of the answer is too long"));
            }
            match self.chunk().await? {
                Some(chunk) => self.rest.extend_from_slice(&chunk),
                None if self.rest.is_empty() => return Ok(None),
                None => return Ok(Some(std::mem::take(&mut self.rest))),
            }
        }
    }

    /// The next bytes of the body; `None` at its end.
    pub(crate) async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        while let Some(frame) = Pin::new(self.response.body_mut()).frame().await {
            if let Ok(data) = frame.map_err(io::Error::other)?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

/// `?a=b&c=d` with everything but letters, digits and `-._~` percent-encoded (RFC 3986).
pub(crate) fn query(pairs: &[(&str, String)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                text.push(char::from(byte));
            } else {
                text.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_percent_encoded() {
        let pairs = [("t", "a/b:1".to_owned()), ("labels", "{\"ä\":\"x y\"}".to_owned())];
        assert_eq!(query(&pairs), "?t=a%2Fb%3A1&labels=%7B%22%C3%A4%22%3A%22x%20y%22%7D");
    }
}
