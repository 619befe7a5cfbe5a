//! A wire to a registry that misbehaves: it cuts connections, changes bytes, or answers by itself.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// What happens to one connection.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    /// It is cut once so many bytes went to the registry.
    CutUp(u64),
    /// It is cut once so many bytes came from the registry.
    CutDown(u64),
    /// The byte at this place of what comes from the registry is another one.
    Change(u64),
    /// The first request is answered with this, and the registry never asked.
    Answer(String),
}

/// An answer with this status, these headers, and this body.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Plan {
    let length = body.len();
    Plan::Answer(format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    ))
}

pub(crate) struct Relay {
    pub(crate) port: u16,
    /// Bytes that went to the registry.
    pub(crate) up: Arc<AtomicU64>,
    plans: Arc<Mutex<VecDeque<Plan>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Relay {
    /// The first connections go by `plans`, all others through; the last plan counts forever when `always`.
    pub(crate) async fn new(to: u16, plans: Vec<Plan>, always: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let plans = Arc::new(Mutex::new(VecDeque::from(plans)));
        let up = Arc::new(AtomicU64::new(0));
        let (left, counted) = (Arc::clone(&plans), Arc::clone(&up));
        let task = tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { return };
                let plan = {
                    let mut left = left.lock().unwrap();
                    if always && left.len() == 1 { left.front().cloned() } else { left.pop_front() }
                };
                tokio::spawn(serve(client, to, plan, Arc::clone(&counted)));
            }
        });
        Self { port, up, plans, task }
    }

    /// Plans that were not needed.
    pub(crate) fn left(&self) -> usize {
        self.plans.lock().unwrap().len()
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

async fn serve(mut client: TcpStream, to: u16, plan: Option<Plan>, up: Arc<AtomicU64>) {
    if let Some(Plan::Answer(text)) = &plan {
        let mut head = Vec::new();
        while !head.windows(4).any(|four| four == b"\r\n\r\n") {
            if client.read_buf(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let _ = client.write_all(text.as_bytes()).await;
        let _ = client.shutdown().await;
        return;
    }
    let server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let (most_up, most_down, change) = match plan {
        Some(Plan::CutUp(most)) => (most, u64::MAX, None),
        Some(Plan::CutDown(most)) => (u64::MAX, most, None),
        Some(Plan::Change(at)) => (u64::MAX, u64::MAX, Some(at)),
        _ => (u64::MAX, u64::MAX, None),
    };
    let down = Arc::new(AtomicU64::new(0));
    // Whichever ends first ends both.
    tokio::select! {
        () = pump(from_client, to_server, most_up, None, up) => {}
        () = pump(from_server, to_client, most_down, change, down) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    most: u64,
    change: Option<u64>,
    count: Arc<AtomicU64>,
) {
    let mut passed = 0;
    let mut buffer = vec![0; 64 * 1024];
    while passed < most {
        let wanted = usize::try_from(most - passed).unwrap_or(usize::MAX).min(buffer.len());
        let Ok(length @ 1..) = from.read(&mut buffer[..wanted]).await else { return };
        if let Some(at) = change.and_then(|at| at.checked_sub(passed)).filter(|at| *at < length as u64) {
            buffer[usize::try_from(at).unwrap()] ^= 1;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
        passed += length as u64;
        count.fetch_add(length as u64, Ordering::Relaxed);
    }
}
