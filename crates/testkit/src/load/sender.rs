//! Sends one request, over a connection that is kept or a new one.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Connection, LoadPlan};

/// Connections kept alive, at most; more are closed.
const KEPT: usize = 64;

/// The first bytes of an answer that tell answers apart.
const SHOWN: usize = 48;

/// Sends requests; copies share the connections that are kept.
#[derive(Clone)]
pub(super) struct Sender {
    plan: Rc<LoadPlan>,
    kept: Rc<RefCell<Vec<SendRequest<Empty<Bytes>>>>>,
}

/// An answer with its body read to the end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The body's first line, at most 48 characters.
    pub(super) first_line: String,
}

impl Sender {
    pub(super) fn new(plan: &LoadPlan) -> Self {
        Self { plan: Rc::new(plan.clone()), kept: Rc::default() }
    }

    /// Sends one request and reads its answer; the error says why there is none.
    pub(super) async fn send(&self, kind: Connection) -> Result<Answer, String> {
        let sent = tokio::time::timeout(self.plan.timeout, self.attempt(kind)).await;
        sent.unwrap_or_else(|_| Err(format!("no answer within {:?}", self.plan.timeout)))
    }

    async fn attempt(&self, kind: Connection) -> Result<Answer, String> {
        let mut connection = match kind {
            Connection::Kept => match self.take_kept() {
                Some(kept) => kept,
                None => self.connect().await?,
            },
            Connection::New => self.connect().await?,
        };
        let keeps = kind == Connection::Kept;
        let answer = match connection.try_send_request(self.request(keeps)?).await {
            Ok(answer) => answer,
            Err(mut error) => {
                // With the message still here the server had closed the connection and nothing went out: any client
                // opens another one.
                if error.take_message().is_none() {
                    return Err(describe(error.error()));
                }
                connection = self.connect().await?;
                connection.send_request(self.request(keeps)?).await.map_err(|error| describe(&error))?
            }
        };
        let status = answer.status().as_u16();
        let body =
            answer.into_body().collect().await.map_err(|error| format!("cut short: {}", describe(&error)))?;
        if keeps && self.kept.borrow().len() < KEPT {
            self.kept.borrow_mut().push(connection);
        }
        let body = body.to_bytes();
        let line =
            String::from_utf8_lossy(&body).lines().next().unwrap_or_default().chars().take(SHOWN).collect();
        Ok(Answer { status, first_line: line })
    }

    fn take_kept(&self) -> Option<SendRequest<Empty<Bytes>>> {
        let mut kept = self.kept.borrow_mut();
        while let Some(connection) = kept.pop() {
            if connection.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    async fn connect(&self) -> Result<SendRequest<Empty<Bytes>>, String> {
        let stream =
            TcpStream::connect(&self.plan.address).await.map_err(|error| format!("connect: {error}"))?;
        // Small requests go out at once; a socket that cannot be told so only sends later.
        let _ = stream.set_nodelay(true);
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| describe(&error))?;
        // Its failures reach the request that is sent over it.
        tokio::task::spawn_local(async move {
            let _ = tokio::time::timeout(Duration::from_secs(3600), connection).await;
        });
        Ok(sender)
    }

    fn request(&self, keeps: bool) -> Result<http::Request<Empty<Bytes>>, String> {
        let request = http::Request::get(&self.plan.path).header(http::header::HOST, &self.plan.host);
        let request = if keeps { request } else { request.header(http::header::CONNECTION, "close") };
        request.body(Empty::new()).map_err(|error| error.to_string())
    }
}

fn describe(error: &hyper::Error) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
