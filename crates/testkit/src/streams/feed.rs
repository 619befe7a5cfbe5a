//! Server-sent events whose data count up (WHATWG HTML, section 9.2).

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::StreamPlan;

/// An event longer than this is no event of ours.
const MAX_EVENT: usize = 64 * 1024;

pub(super) struct Feed {
    body: Incoming,
    received: Vec<u8>,
    last: Option<u64>,
    // With it the connection would go.
    _sender: SendRequest<Empty<Bytes>>,
}

impl Feed {
    /// Opens one and gives the server's greeting.
    pub(super) async fn open(plan: &StreamPlan) -> Result<(Self, String), String> {
        let stream = TcpStream::connect(&plan.address).await.map_err(|error| format!("connect: {error}"))?;
        let (mut sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        // Its failures reach the request that is sent over it.
        tokio::task::spawn_local(connection);
        let request = http::Request::get(&plan.feed_path)
            .header("host", &plan.host)
            .header("accept", "text/event-stream")
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        if answer.status() != http::StatusCode::OK {
            return Err(format!("status {}", answer.status()));
        }
        let mut feed = Self { body: answer.into_body(), received: Vec::new(), last: None, _sender: sender };
        let greeting = feed.event().await?;
        Ok((feed, greeting))
    }

    /// Reads the next event, which must follow the last one.
    pub(super) async fn next(&mut self) -> Result<(), String> {
        let data = self.event().await?;
        let number: u64 = data.parse().map_err(|_| format!("an event `{data}`"))?;
        match self.last.replace(number) {
            Some(last) if number != last + 1 => Err(format!("event {number} came after event {last}")),
            _ => Ok(()),
        }
    }

    /// The data of the next event.
    async fn event(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = self.received.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = self.received.drain(..end + 2).collect();
                let event = String::from_utf8_lossy(&event);
                return Ok(event.lines().filter_map(|line| line.strip_prefix("data: ")).collect());
            }
            if self.received.len() > MAX_EVENT {
                return Err("an event without end".to_owned());
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.received.extend(frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(format!("cut short: {error}")),
                None => return Err("ended".to_owned()),
            }
        }
    }
}
