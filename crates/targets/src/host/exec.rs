//! A command that runs on the host while its terminal, or its three streams, are here. Frames: `model::api::exec`.

use bytes::Bytes;
use hyper::Method;
use hyper_util::rt::TokioIo;
use landfall_model::Fault;
use landfall_model::api::ExecRequest;
use landfall_model::api::exec::{HEADER, Kind, MAX_PAYLOAD, header, parse_header};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};

use super::call::request;
use super::payload::Payload;
use super::{Agent, CallError};

/// The protocol's name in `Upgrade`.
const PROTOCOL: &str = "landfall-exec";

type Stream = TokioIo<hyper::upgrade::Upgraded>;

/// What comes from the command.
#[derive(Debug)]
pub enum FromHost {
    /// Bytes of its standard output, or of its terminal.
    Stdout(Bytes),
    /// Bytes of its standard error.
    Stderr(Bytes),
    /// It ended with this code; nothing follows.
    Exit(i32),
    /// It could not be run; nothing follows.
    Fault(Fault),
}

/// Reads what comes from the command.
pub struct ExecReader(ReadHalf<Stream>);

/// Writes what goes to the command.
pub struct ExecWriter(WriteHalf<Stream>);

pub(crate) async fn open(
    agent: &Agent,
    path: &str,
    command: &ExecRequest,
) -> Result<(ExecReader, ExecWriter), CallError> {
    let call = format!("GET {path}");
    let body = serde_json::to_vec(command).map_err(|error| CallError::lost(&call, error))?;
    if body.len() > MAX_PAYLOAD as usize {
        return Err(CallError::Fault(Fault::usage("the command is longer than 64 KiB")));
    }
    let mut request = request(Method::GET, path, Payload::empty());
    let headers = request.headers_mut();
    headers.insert(http::header::CONNECTION, http::HeaderValue::from_static("upgrade"));
    headers.insert(http::header::UPGRADE, http::HeaderValue::from_static(PROTOCOL));
    let (response, _sender) = agent.begin(request, &call).await?;
    if response.status() != http::StatusCode::SWITCHING_PROTOCOLS {
        let status = response.status();
        return Err(CallError::Fault(Fault::internal(format!("the agent answered `{call}` with {status}"))));
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(|error| CallError::lost(&call, error))?;
    let (reader, writer) = tokio::io::split(TokioIo::new(upgraded));
    let mut writer = ExecWriter(writer);
    writer.frame(Kind::Request, &body).await?;
    Ok((ExecReader(reader), writer))
}

impl ExecReader {
    /// Waits for the next frame. Not to be given up half way: a frame may be lost.
    ///
    /// # Errors
    /// `Lost` when the connection breaks, or the host sends what it may not.
    pub async fn next(&mut self) -> Result<FromHost, CallError> {
        let lost = |why: &dyn std::fmt::Display| CallError::lost("exec", why);
        loop {
            let mut head = [0; HEADER];
            self.0.read_exact(&mut head).await.map_err(|error| lost(&error))?;
            let (kind, length) = parse_header(head).ok_or_else(|| lost(&"the host sent no frame"))?;
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).await.map_err(|error| lost(&error))?;
            return Ok(match kind {
                Kind::Stdout => FromHost::Stdout(payload.into()),
                Kind::Stderr => FromHost::Stderr(payload.into()),
                Kind::Exit => FromHost::Exit(i32::from_be_bytes(
                    payload.try_into().map_err(|_| lost(&"an exit code of another length than 4"))?,
                )),
                Kind::Fault => {
                    FromHost::Fault(serde_json::from_slice(&payload).map_err(|error| lost(&error))?)
                }
                Kind::Request | Kind::Stdin | Kind::Resize => continue,
            });
        }
    }
}

impl ExecWriter {
    /// Sends bytes for standard input; none: closes it.
    ///
    /// # Errors
    /// `Lost` when the connection breaks.
    pub async fn stdin(&mut self, bytes: &[u8]) -> Result<(), CallError> {
        if bytes.is_empty() {
            return self.frame(Kind::Stdin, bytes).await;
        }
        for part in bytes.chunks(MAX_PAYLOAD as usize) {
            self.frame(Kind::Stdin, part).await?;
        }
        Ok(())
    }

    /// Tells the terminal's new size.
    ///
    /// # Errors
    /// `Lost` when the connection breaks.
    pub async fn resize(&mut self, rows: u16, columns: u16) -> Result<(), CallError> {
        let mut payload = [0; 4];
        payload[..2].copy_from_slice(&rows.to_be_bytes());
        payload[2..].copy_from_slice(&columns.to_be_bytes());
        self.frame(Kind::Resize, &payload).await
    }

    async fn frame(&mut self, kind: Kind, payload: &[u8]) -> Result<(), CallError> {
        let mut frame = header(kind, payload.len()).to_vec();
        frame.extend_from_slice(payload);
        let sent = async {
            self.0.write_all(&frame).await?;
            self.0.flush().await
        };
        sent.await.map_err(|error: std::io::Error| CallError::lost("exec", error))
    }
}
