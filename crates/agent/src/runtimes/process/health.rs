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
    if is_itself(&stream) {
        return Err(HealthAnswer::Refused);
    }
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

/// Whether a connection goes to itself: a port that nobody listens on may be chosen for the near end too, and TCP then
/// connects both (RFC 9293, simultaneous open). Closed at once, so that it does not hold the port.
fn is_itself(stream: &TcpStream) -> bool {
    let both = stream.local_addr().ok().zip(stream.peer_addr().ok());
    let itself = both.is_some_and(|(local, peer)| local == peer);
    if itself {
        // Otherwise the port would be kept for a minute (TIME-WAIT). That it is, is no failure.
        let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
    }
    itself
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpSocket;

    #[tokio::test]
    async fn a_connection_to_itself_is_no_answer() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let stream = socket.connect(address).await.unwrap();
        assert!(is_itself(&stream));
        drop(stream);
        std::net::TcpListener::bind(address).expect("the port is free at once");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        assert!(!is_itself(&stream));
    }
}
