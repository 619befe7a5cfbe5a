//! Clients that have nothing to say: ten thousand, and more than there is room for.

use std::time::Duration;

use hyper::Request;
use landfall_proxy::HealthCheck;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::{Proxy, SOON, Server, ask, connect, full, until};

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
    if raise_limit() < 2 * CLIENTS as u64 {
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

#[tokio::test]
async fn idle_clients_without_number_leave_descriptors_for_the_others() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("descriptors"), "150").unwrap();
    let proxy = Proxy::start_in(folder).await;
    // It closes each connection, so that every request needs a new one.
    let server = Server::raw(|mut socket, _| async move {
        while crate::support::head(&mut socket).await.is_some() {
            let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
            if socket.write_all(answer).await.is_err() {
                return;
            }
        }
    })
    .await;
    let mut route = proxy.route("1", &[server.address]);
    route.health = Some(HealthCheck { path: None, status: (200, 299), interval_ms: 20, timeout_ms: 60_000 });
    proxy.client.put_route(&route).await.unwrap();
    let mut open = connect(proxy.listen).await;
    let request = || Request::get("/").header("host", "x").body(full("")).unwrap();
    assert_eq!(ask(&mut open, request()).await.unwrap().status, 200);
    let mut clients = Vec::new();
    for _ in 0..300 {
        clients.push(TcpStream::connect(proxy.listen).await.unwrap());
    }
    let backend = async || proxy.client.status().await.unwrap().routes[0].backends[0].clone();
    until("its health is asked for, again and again", async || {
        backend().await.checks.is_some_and(|checks| checks.asked == 20)
    })
    .await;
    for _ in 0..20 {
        assert_eq!(ask(&mut open, request()).await.unwrap().status, 200);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let backend = backend().await;
    assert!(backend.healthy && backend.checks.unwrap().failed == 0, "{backend:?}");
    // Who waits is served once there is room.
    drop(clients);
    assert_eq!(ask(&mut connect(proxy.listen).await, request()).await.unwrap().status, 200);
}
