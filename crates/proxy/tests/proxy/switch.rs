//! A switch of a route is atomic and drops nothing, however requests come in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hyper::{Request, Response};
use tokio::task::JoinSet;

use crate::support::{Proxy, SOON, Server, ask, connect, full, share};

const SWITCHES: u64 = 200;

async fn numbered(number: u64) -> Server {
    Server::http(move |_| async move {
        tokio::time::sleep(Duration::from_millis(number % 3)).await;
        Response::new(full(number.to_string()))
    })
    .await
}

/// Asks until told to end; the versions that one client sees never go back.
async fn load(
    proxy: std::net::SocketAddr,
    keep: bool,
    end: Arc<AtomicBool>,
    switched: Arc<AtomicU64>,
) -> u64 {
    let mut sender = connect(proxy).await;
    let mut count = 0;
    while !end.load(Ordering::SeqCst) {
        if !keep {
            sender = connect(proxy).await;
        }
        let oldest = switched.load(Ordering::SeqCst);
        let body = if count % 4 == 3 { "some body" } else { "" };
        let method = if body.is_empty() { "GET" } else { "POST" };
        let request =
            Request::builder().method(method).uri("/").header("host", "x").body(full(body)).unwrap();
        let answer = ask(&mut sender, request).await.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text);
        let version: u64 = answer.text.parse().unwrap();
        assert!(version >= oldest, "{version} answered after the switch to {oldest}");
        count += 1;
    }
    count
}

#[tokio::test]
async fn two_hundred_switches_under_load_drop_nothing() {
    let proxy = Proxy::start().await;
    let mut old = numbered(0).await;
    proxy.put("0", &[old.address]).await;
    proxy.client.start_meter("app/dev/web").await.unwrap();
    let (end, switched) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut clients = JoinSet::new();
    for number in 0..12 {
        clients.spawn(load(proxy.listen, number % 2 == 0, Arc::clone(&end), Arc::clone(&switched)));
    }
    for number in 1..=SWITCHES {
        let new = numbered(number).await;
        proxy.put(&number.to_string(), &[new.address]).await;
        switched.store(number, Ordering::SeqCst);
        // Every other old server goes down at once when it has nothing to do, the others are left alone.
        let left = proxy.client.drained("app/dev/web", &(number - 1).to_string(), SOON).await.unwrap();
        assert_eq!(left, 0);
        drop(std::mem::replace(&mut old, new));
    }
    end.store(true, Ordering::SeqCst);
    let mut asked = 0;
    while let Some(count) = clients.join_next().await {
        asked += count.unwrap();
    }
    let meter = proxy.client.meter("app/dev/web").await.unwrap();
    assert_eq!((meter.served, meter.failed), (asked, 0), "{meter:?}");
    assert!(asked > SWITCHES && meter.p99_ms.is_some(), "{meter:?}");
    let status = proxy.client.status().await.unwrap();
    assert!(status.routes[0].pools.len() <= 9, "{:?}", status.routes[0].pools);
}

#[tokio::test]
async fn a_request_that_finds_its_backend_gone_goes_to_the_new_one() {
    let proxy = Proxy::start().await;
    // Nothing listens at the old address, so that every request is at a backend that is gone.
    proxy.put("old", &[crate::support::address()]).await;
    let server = Server::saying("new").await;
    assert_eq!(crate::support::get(proxy.listen, "/", &[]).await.status, 503);
    proxy.put("new", &[server.address]).await;
    assert_eq!(crate::support::get(proxy.listen, "/", &[]).await.text, "new");
    // One that waits for an answer when its backend dies after the switch may be sent again.
    let (arrived, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    let slow = Server::http(move |_| {
        arrived.send(()).unwrap();
        std::future::pending::<Response<_>>()
    })
    .await;
    proxy.put("slow", &[slow.address]).await;
    let asked = tokio::spawn(async move { crate::support::get(proxy.listen, "/", &[]).await.text });
    arrivals.recv().await.unwrap();
    let proxy_client = landfall_proxy::Client::new(proxy.client.socket());
    proxy_client.put_route(&proxy.route("again", &[server.address])).await.unwrap();
    drop(slow);
    assert_eq!(asked.await.unwrap(), "new");
}

/// Two pools take turns: all the weight goes from one to the other, which is as atomic as a switch.
#[tokio::test]
async fn weights_are_turned_under_load_and_nobody_is_late() {
    let proxy = Proxy::start().await;
    let servers = [numbered(0).await, numbered(1).await];
    let mut route = proxy.route("0", &[servers[0].address]);
    let weigh = |side: usize| {
        let share = |own: usize| share(&own.to_string(), &[servers[own].address], u32::from(own == side));
        vec![share(0), share(1)]
    };
    route.pools = weigh(0);
    proxy.client.put_route(&route).await.unwrap();
    let end = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for number in 0..8 {
        let (listen, end) = (proxy.listen, Arc::clone(&end));
        clients.spawn(async move {
            let mut sender = connect(listen).await;
            while !end.load(Ordering::SeqCst) {
                if number % 2 == 0 {
                    sender = connect(listen).await;
                }
                let request = Request::get("/").header("host", "x").body(full("")).unwrap();
                assert_eq!(ask(&mut sender, request).await.unwrap().status, 200);
            }
        });
    }
    for turn in 1..=SWITCHES {
        let (new, old) = (usize::from(turn % 2 == 1), usize::from(turn % 2 == 0));
        route.pools = weigh(new);
        proxy.client.put_route(&route).await.unwrap();
        // Once it is drained nothing of it is under way any more, nor comes.
        let label = old.to_string();
        assert_eq!(proxy.client.drained("app/dev/web", &label, SOON).await.unwrap(), 0);
        let served = async || {
            let samples = proxy.client.samples("app/dev/web").await.unwrap();
            samples.into_iter().find(|sample| sample.label == label).unwrap().requests
        };
        let before = served().await;
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert_eq!(served().await, before, "a request came to a pool without a weight");
    }
    end.store(true, Ordering::SeqCst);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    assert_eq!(proxy.client.samples("app/dev/web").await.unwrap().iter().map(|s| s.errors).sum::<u64>(), 0);
}
