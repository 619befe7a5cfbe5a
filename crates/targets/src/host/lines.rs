//! A stream of JSON lines, read as they come.

use std::marker::PhantomData;
use std::time::Duration;

use bytes::BytesMut;
use http_body_util::BodyExt as _;
use hyper::Method;
use hyper::body::Incoming;
use landfall_model::Fault;
use serde::de::DeserializeOwned;

use super::call::{Sender, request};
use super::payload::Payload;
use super::{Agent, CallError};

/// The longest line in bytes: the end of a transaction carries the receipts of all services.
const MAX_LINE: usize = 32 * 1024 * 1024;
/// For the head of the answer. The lines themselves may take for ever.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Lines of JSON from the agent, each a `T`.
pub struct Lines<T> {
    call: String,
    body: Incoming,
    buffer: BytesMut,
    /// Bytes at the buffer's begin that hold no line end.
    searched: usize,
    /// Keeps the connection open while the body is read.
    _sender: Sender,
    line: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Lines<T> {
    pub(crate) async fn open(agent: &Agent, path: String) -> Result<Self, CallError> {
        let call = format!("GET {path}");
        let asked = agent.begin(request(Method::GET, &path, Payload::empty()), &call);
        let (response, sender) = match tokio::time::timeout(HEAD_TIMEOUT, asked).await {
            Ok(begun) => begun?,
            Err(_) => return Err(CallError::lost(call, "no answer in time")),
        };
        Ok(Self {
            call,
            body: response.into_body(),
            buffer: BytesMut::new(),
            searched: 0,
            _sender: sender,
            line: PhantomData,
        })
    }

    /// Waits for the next line; `None` at the end. Nothing is lost when the wait is given up.
    ///
    /// # Errors
    /// `Lost` when the connection breaks; a fault when a line is too long or no `T`.
    pub async fn next(&mut self) -> Result<Option<T>, CallError> {
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched + at + 1);
                self.searched = 0;
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return serde_json::from_slice(&line).map(Some).map_err(|error| {
                    let call = &self.call;
                    CallError::Fault(Fault::internal(format!("a line of `{call}` makes no sense: {error}")))
                });
            }
            self.searched = self.buffer.len();
            if self.searched > MAX_LINE {
                return Err(CallError::lost(&self.call, "a line is longer than 32 MiB"));
            }
            match self.body.frame().await {
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(CallError::lost(&self.call, "the last line was cut off")),
                Some(Err(error)) => return Err(CallError::lost(&self.call, error)),
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.buffer.extend_from_slice(bytes);
                    }
                }
            }
        }
    }
}
