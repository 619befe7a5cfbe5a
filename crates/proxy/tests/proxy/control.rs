//! The proxy as a process: what survives its death, what it refuses, how it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use hyper::Response;
use landfall_proxy::{Client, ClientError};

use crate::support::{Proxy, SOON, Server, address, ask, connect, full, get, until};

#[tokio::test]
async fn routes_survive_a_kill() {
    let mut proxy = Proxy::start().await;
    let server = Server::saying("ok").await;
    proxy.put("1", &[server.address]).await;
    let before = proxy.client.status().await.unwrap();
    proxy.restart().await;
    assert_eq!(get(proxy.listen, "/", &[]).await.text, "ok");
    let after = proxy.client.status().await.unwrap();
    assert_eq!(after.routes[0].config, before.routes[0].config);
    assert_ne!((after.pid, &after.token), (before.pid, &before.token));
    assert_eq!(after.build, landfall_proxy::build());
    assert!(after.memory.is_some_and(|bytes| bytes > 0) && after.notes.is_empty());
    let mode =
        |name: &str| fs::metadata(proxy.folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("proxy.sock"), mode("proxy.json")), (0o600, 0o600));
}

#[tokio::test]
async fn a_file_that_makes_no_sense_is_moved_aside_and_a_newer_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("proxy.json"), "{\"format\":1,\"routes\":[{").unwrap();
    let mut proxy = Proxy::start_in(folder).await;
    let status = proxy.client.status().await.unwrap();
    assert!(status.routes.is_empty() && status.notes[0].contains("proxy.json.bad"), "{:?}", status.notes);
    proxy.child.kill().unwrap();
    proxy.child.wait().unwrap();
    let newer = "{\"format\":99}";
    fs::write(proxy.folder.path().join("proxy.json"), newer).unwrap();
    let options = landfall_proxy::Options::new(
        proxy.folder.path().join("proxy.sock"),
        proxy.folder.path().join("proxy.json"),
    );
    let refused = tokio::task::spawn_blocking(move || landfall_proxy::run(&options)).await.unwrap();
    assert!(matches!(refused, Err(landfall_proxy::Error::NewerFormat { found: 99, .. })), "{refused:?}");
    assert_eq!(fs::read_to_string(proxy.folder.path().join("proxy.json")).unwrap(), newer);
}

#[tokio::test]
async fn one_socket_has_one_proxy() {
    let proxy = Proxy::start().await;
    let options = landfall_proxy::Options::new(
        proxy.folder.path().join("proxy.sock"),
        proxy.folder.path().join("other.json"),
    );
    let refused = tokio::task::spawn_blocking(move || landfall_proxy::run(&options)).await.unwrap();
    assert!(matches!(refused, Err(landfall_proxy::Error::AlreadyRunning { .. })), "{refused:?}");
    assert!(proxy.client.status().await.is_ok());
}

#[tokio::test]
async fn an_address_in_use_is_named_with_its_holder() {
    let proxy = Proxy::start().await;
    let other = Proxy::start().await;
    let server = Server::saying("ok").await;
    other.put("1", &[server.address]).await;
    let mut route = proxy.route("1", &[server.address]);
    route.listen = other.listen;
    let refused = proxy.client.put_route(&route).await.unwrap_err();
    let ClientError::AddressInUse { message } = &refused else { panic!("{refused}") };
    assert!(message.contains(&other.listen.to_string()), "{message}");
    assert!(message.contains(&other.child.id().to_string()), "{message}");
    assert!(proxy.client.status().await.unwrap().routes.is_empty());
    // A proxy that finds its address taken when it starts waits for it.
    let mut proxy = proxy;
    proxy.put("1", &[server.address]).await;
    proxy.child.kill().unwrap();
    proxy.child.wait().unwrap();
    let squatter = std::net::TcpListener::bind(proxy.listen).unwrap();
    proxy.restart().await;
    let status = proxy.client.status().await.unwrap();
    assert!(status.listeners[0].problem.is_some() && status.notes.len() == 1, "{status:?}");
    drop(squatter);
    until("it listens", async || proxy.client.status().await.unwrap().listeners[0].problem.is_none()).await;
    assert_eq!(get(proxy.listen, "/", &[]).await.text, "ok");
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_done() {
    let proxy = Proxy::start().await;
    let server = Server::saying("ok").await;
    proxy.put("1", &[server.address]).await;
    // A folder in the file's place: nothing can be renamed over it, not even by root.
    let config = proxy.folder.path().join("proxy.json");
    fs::remove_file(&config).unwrap();
    fs::create_dir(&config).unwrap();
    fs::write(config.join("x"), "").unwrap();
    let mut route = proxy.route("2", &[address()]);
    let refused = proxy.client.put_route(&route).await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused { status: 500, .. }), "{refused}");
    route.id = "another".to_owned();
    route.listen = address();
    assert!(proxy.client.put_route(&route).await.is_err());
    assert!(tokio::net::TcpStream::connect(route.listen).await.is_err(), "its listener was left open");
    assert_eq!(get(proxy.listen, "/", &[]).await.text, "ok");
    assert_eq!(proxy.client.status().await.unwrap().routes[0].config.pools[0].pool.label, "1");
}

#[tokio::test]
async fn the_end_waits_for_requests_under_way() {
    let mut proxy = Proxy::start().await;
    let (arrived, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    let (go, gone) = tokio::sync::watch::channel(false);
    let server = Server::http(move |_| {
        arrived.send(()).unwrap();
        let mut gone = gone.clone();
        async move {
            gone.wait_for(|gone| *gone).await.unwrap();
            Response::new(full("done"))
        }
    })
    .await;
    proxy.put("1", &[server.address]).await;
    // One connection that was never used, one that was and is kept.
    let _unused = connect(proxy.listen).await;
    let mut idle = connect(proxy.listen).await;
    go.send(true).unwrap();
    let request = hyper::Request::get("/").header("host", "x").body(full("")).unwrap();
    assert_eq!(ask(&mut idle, request).await.unwrap().text, "done");
    arrivals.recv().await.unwrap();
    go.send(false).unwrap();
    let listen = proxy.listen;
    let asked = tokio::spawn(async move { get(listen, "/", &[]).await });
    arrivals.recv().await.unwrap();
    proxy.client.shutdown().await.unwrap();
    until("it takes no more", async || tokio::net::TcpStream::connect(listen).await.is_err()).await;
    assert!(proxy.child.try_wait().unwrap().is_none());
    go.send(true).unwrap();
    let began = std::time::Instant::now();
    let answer = asked.await.unwrap();
    assert_eq!((answer.text.as_str(), answer.header("connection")), ("done", "close"));
    until("it has ended", async || proxy.child.try_wait().unwrap().is_some()).await;
    assert!(began.elapsed() < Duration::from_secs(30), "it waited for idle connections");
    assert!(proxy.child.wait().unwrap().success());
    let gone = proxy.client.status().await.unwrap_err();
    assert!(matches!(gone, ClientError::Unreachable { .. }), "{gone}");
}

#[tokio::test]
async fn a_client_without_a_proxy_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::new(folder.path().join("none.sock"));
    assert!(matches!(client.status().await, Err(ClientError::Unreachable { .. })));
    let proxy = Proxy::start().await;
    assert!(matches!(
        proxy.client.hold("none", Duration::ZERO).await,
        Err(ClientError::Refused { status: 404, .. })
    ));
    assert_eq!(proxy.client.drained("none", "1", SOON).await.unwrap(), 0);
    // A meter may be started before its route.
    proxy.client.start_meter("app/dev/web").await.unwrap();
    let server = Server::saying("ok").await;
    proxy.put("1", &[server.address]).await;
    get(proxy.listen, "/", &[]).await;
    assert_eq!(proxy.client.meter("app/dev/web").await.unwrap().served, 1);
}
