//! Ten thousand clients that have nothing to say.

use std::time::Duration;

use hyper::Request;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::{Proxy, SOON, Server, ask, connect, full};

const CLIENTS: usize = 10_000;
/// What one of them may cost the proxy, in bytes; generous, for debug builds.
const EACH: u64 = 4096;

/// As many descriptors as the system lets this process have.
fn raise_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).unwrap();
    limit.maximum.unwrap_or(u64::MAX)
}

#[tokio::test]
async fn ten_thousand_idle_connections_cost_little() {
    if raise_limit() < CLIENTS as u64 + 200 {
        eprintln!("SKIPPED: this user may not open {CLIENTS} connections");
        return;
    }
    let proxy = Proxy::start().await;
    let server = Server::saying("ok").await;
    proxy.put("1", &[server.address]).await;
    let request = || Request::get("/").header("host", "x").body(full("")).unwrap();
    for _ in 0..100 {
        assert_eq!(ask(&mut connect(proxy.listen).await, request()).await.unwrap().status, 200);
    }
    let before = proxy.client.status().await.unwrap().memory.unwrap();
    let mut clients: Vec<TcpStream> = Vec::with_capacity(CLIENTS);
    for number in 0..CLIENTS {
        let socket = TcpSocket::new_v4().unwrap();
        let mut client = tokio::time::timeout(SOON, socket.connect(proxy.listen)).await.unwrap().unwrap();
        // Half of them asked for something once.
        if number % 2 == 0 {
            client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            let mut answer = [0; 512];
            assert!(client.read(&mut answer).await.unwrap() > 0);
        }
        clients.push(client);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let grown = proxy.client.status().await.unwrap().memory.unwrap().saturating_sub(before);
    eprintln!("{} bytes for each of {CLIENTS} idle connections", grown / CLIENTS as u64);
    assert!(grown < EACH * CLIENTS as u64, "{grown} bytes of memory for {CLIENTS} idle connections");
    // Others are served meanwhile, and each of them still is.
    assert_eq!(ask(&mut connect(proxy.listen).await, request()).await.unwrap().status, 200);
    for client in clients.iter_mut().step_by(500) {
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = [0; 512];
        let count = client.read(&mut answer).await.unwrap();
        assert!(answer[..count].starts_with(b"HTTP/1.1 200 OK"));
    }
}
