//! One health check of one instance: a GET that answers with a status that counts, or a port that accepts.

use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use landfall_model::{Health, HealthAnswer};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Of an answer's body, how much is read to show its first line, in bytes.
const SHOWN_BODY: usize = 4096;

/// The first line of a body is cut to this many characters.
const SHOWN_LINE: usize = 200;

/// Asks once. `Ok` when the answer counts as healthy.
pub(crate) async fn check(address: &str, health: &Health) -> Result<(), HealthAnswer> {
    let limit = health.timeout.duration();
    match timeout(limit, ask(address, health)).await {
        Ok(answer) => answer,
        Err(_) => Err(HealthAnswer::TimedOut),
    }
}

async fn ask(address: &str, health: &Health) -> Result<(), HealthAnswer> {
    let stream = TcpStream::connect(address).await.map_err(|_| HealthAnswer::Refused)?;
    let Some(path) = &health.path else { return Ok(()) };
    let broken = |error: &dyn std::fmt::Display| HealthAnswer::Broken { why: error.to_string() };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| broken(&e))?;
    let driver = tokio::spawn(connection);
    let request = http::Request::get(path)
        .header(HOST, address)
        .header(USER_AGENT, "landfall-health")
        .body(Empty::<Bytes>::new())
        .map_err(|e| broken(&e))?;
    let answer = sender.send_request(request).await.map_err(|e| broken(&e));
    let verdict = match answer {
        Err(broken) => Err(broken),
        Ok(answer) => {
            let status = answer.status().as_u16();
            let (low, high) = health.status;
            if (low..=high).contains(&status) {
                Ok(())
            } else {
                Err(HealthAnswer::Status { status, body: first_line(answer.into_body()).await })
            }
        }
    };
    driver.abort();
    verdict
}

async fn first_line(mut body: hyper::body::Incoming) -> String {
    let mut read = Vec::new();
    let all = async {
        while let Some(Ok(frame)) = body.frame().await {
            if let Some(data) = frame.data_ref() {
                read.extend_from_slice(data);
            }
            if read.len() >= SHOWN_BODY {
                break;
            }
        }
    };
    // What came until then is shown; a body that never ends is no reason to wait longer.
    let _ = timeout(Duration::from_millis(250), all).await;
    let text = String::from_utf8_lossy(&read[..read.len().min(SHOWN_BODY)]);
    text.lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .trim()
        .chars()
        .take(SHOWN_LINE)
        .collect()
}
