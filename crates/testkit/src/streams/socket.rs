//! A websocket whose messages are echoed.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1::handshake;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::StreamPlan;
use crate::websocket::{Frame, KEY, Opcode, accept};

/// What masks our frames; any four bytes do where nobody in between could be confused.
const MASK: [u8; 4] = [0x5a, 0x17, 0xc3, 0x08];

pub(super) struct Socket {
    stream: TokioIo<Upgraded>,
    received: Vec<u8>,
    sent: u64,
}

impl Socket {
    /// Opens one and gives the server's greeting.
    pub(super) async fn open(plan: &StreamPlan) -> Result<(Self, String), String> {
        let stream = TcpStream::connect(&plan.address).await.map_err(|error| format!("connect: {error}"))?;
        // A socket that cannot be told so only sends later.
        let _ = stream.set_nodelay(true);
        let (mut sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        // Its failures reach the request that is sent over it.
        tokio::task::spawn_local(connection.with_upgrades());
        let request = http::Request::get(&plan.socket_path)
            .header("host", &plan.host)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", KEY)
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        if answer.status() != http::StatusCode::SWITCHING_PROTOCOLS {
            return Err(format!("status {}", answer.status()));
        }
        let accepted = answer.headers().get("sec-websocket-accept").map(http::HeaderValue::as_bytes);
        if accepted != Some(accept(KEY).as_bytes()) {
            return Err("the server did not understand the key".to_owned());
        }
        let stream = hyper::upgrade::on(answer).await.map_err(|error| error.to_string())?;
        let mut socket = Self { stream: TokioIo::new(stream), received: Vec::new(), sent: 0 };
        let greeting = socket.receive().await?;
        Ok((socket, greeting))
    }

    /// Waits for a beat, sends a message and reads its echo.
    pub(super) async fn echo(&mut self, beat: Duration) -> Result<(), String> {
        tokio::select! {
            () = sleep(beat) => {}
            unasked = self.receive() => return Err(format!("a message out of turn: {}", unasked?)),
        }
        self.sent += 1;
        let message = format!("message {}", self.sent);
        let frame = Frame::text(&message).bytes(Some(MASK));
        self.stream.write_all(&frame).await.map_err(|error| format!("write: {error}"))?;
        let echo = self.receive().await?;
        if echo == message { Ok(()) } else { Err(format!("`{echo}` came back for `{message}`")) }
    }

    /// The next text message. Nothing is lost when it is dropped while it waits.
    async fn receive(&mut self) -> Result<String, String> {
        loop {
            match Frame::take(&mut self.received)? {
                Some(Frame { opcode: Opcode::Text, payload }) => {
                    return Ok(String::from_utf8_lossy(&payload).into_owned());
                }
                Some(Frame { opcode: Opcode::Close, payload }) => {
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    return Err(format!("closed by the server with code {code:?}"));
                }
                Some(Frame { opcode: Opcode::Ping | Opcode::Pong, .. }) => {}
                None => {
                    let got = self.stream.read_buf(&mut self.received).await;
                    if got.map_err(|error| format!("read: {error}"))? == 0 {
                        return Err("ended without a close frame".to_owned());
                    }
                }
            }
        }
    }
}
