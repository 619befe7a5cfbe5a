//! What a person says of a route, and what a release that is under way said before the proxy was killed.

use std::fs;
use std::time::Duration;

use landfall_proxy::ClientError;

use crate::support::{Answer, Proxy, SOON, Server, get, until};

const ID: &str = "app/dev/web";

async fn asking(proxy: &Proxy, accept: &str) -> Answer {
    get(proxy.listen, "/", &[("accept", accept)]).await
}

#[tokio::test]
async fn maintenance_turns_everybody_away_but_probes() {
    let mut proxy = Proxy::start().await;
    let server = Server::saying("ok").await;
    let mut route = proxy.route("1", &[server.address]);
    proxy.client.put_route(&route).await.unwrap();
    proxy.client.start_meter(ID).await.unwrap();
    proxy.client.set_maintenance(ID, true).await.unwrap();
    let page = asking(&proxy, "text/html").await;
    assert_eq!((page.status, page.header("retry-after")), (503, "60"));
    assert_eq!(
        (page.header("content-type"), page.header("cache-control")),
        ("text/html; charset=utf-8", "no-store")
    );
    assert!(page.text.contains("worked on"), "{}", page.text);
    let object = asking(&proxy, "application/json").await;
    assert_eq!(object.header("content-type"), "application/json");
    assert!(object.text.starts_with("{\"status\":503,"), "{}", object.text);
    assert!(asking(&proxy, "*/*").await.text.starts_with("503 Service Unavailable: "));
    let token = proxy.client.status().await.unwrap().token;
    assert_eq!(get(proxy.listen, "/", &[("x-landfall-probe", &token)]).await.text, "ok");
    // Nobody failed: a person wanted it so.
    let meter = proxy.client.meter(ID).await.unwrap();
    assert_eq!((meter.served, meter.failed), (0, 0), "{meter:?}");

    // Neither a switch nor a death ends it; the application's own page is shown.
    let own = proxy.folder.path().join("back-soon.html");
    fs::write(&own, "<h1>back soon</h1>").unwrap();
    route.http.maintenance = Some(own.clone());
    route.pools[0].pool.label = "2".to_owned();
    proxy.client.put_route(&route).await.unwrap();
    assert_eq!(asking(&proxy, "text/html").await.text, "<h1>back soon</h1>");
    proxy.restart().await;
    assert_eq!(asking(&proxy, "text/html").await.text, "<h1>back soon</h1>");
    assert!(proxy.client.status().await.unwrap().routes[0].maintenance);
    // A page that is gone at a start is told of, and the route is served all the same.
    fs::remove_file(&own).unwrap();
    proxy.restart().await;
    assert!(asking(&proxy, "text/html").await.text.contains("worked on"));
    let notes = proxy.client.status().await.unwrap().notes;
    assert!(notes[0].contains("back-soon.html"), "{notes:?}");
    proxy.client.set_maintenance(ID, false).await.unwrap();
    assert_eq!(asking(&proxy, "text/html").await.text, "ok");
    let unknown = proxy.client.set_maintenance("none", true).await.unwrap_err();
    assert!(matches!(unknown, ClientError::Refused { status: 404, .. }), "{unknown}");
}

#[tokio::test]
async fn a_pause_lasts_until_a_person_ends_it() {
    let mut proxy = Proxy::start().await;
    let (first, second) = (Server::saying("first").await, Server::saying("second").await);
    proxy.put("1", &[first.address]).await;
    proxy.client.pause(ID).await.unwrap();
    proxy.client.pause(ID).await.unwrap();
    let listen = proxy.listen;
    let ask = move || tokio::spawn(async move { get(listen, "/", &[]).await.text });
    let waiting = ask();
    until("it is held", async || proxy.held().await == 1).await;
    // A whole release goes by: it is proved by probes, and ends nothing.
    assert_eq!(proxy.client.hold(ID, SOON).await.unwrap().inflight, 0);
    proxy.put("2", &[second.address]).await;
    proxy.client.release(ID).await.unwrap();
    let token = proxy.client.status().await.unwrap().token;
    assert_eq!(get(listen, "/", &[("x-landfall-probe", &token)]).await.text, "second");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished() && proxy.held().await == 1);
    // Nor does a death, but for the connections that it cuts.
    waiting.abort();
    proxy.restart().await;
    let status = proxy.client.status().await.unwrap();
    assert_eq!((status.routes[0].paused, status.routes[0].holding), (true, false));
    let waiting = ask();
    until("it is held", async || proxy.held().await == 1).await;
    // Maintenance sends those away that wait.
    proxy.client.set_maintenance(ID, true).await.unwrap();
    assert!(waiting.await.unwrap().starts_with("503"));
    proxy.client.set_maintenance(ID, false).await.unwrap();
    let waiting = ask();
    until("it is held", async || proxy.held().await == 1).await;
    proxy.client.unpause(ID).await.unwrap();
    assert_eq!(waiting.await.unwrap(), "second");
    // A route that is removed and comes back is a new one.
    proxy.client.pause(ID).await.unwrap();
    proxy.client.remove_route(ID).await.unwrap();
    proxy.put("3", &[second.address]).await;
    assert_eq!(ask().await.unwrap(), "second");
}

#[tokio::test]
async fn a_hold_outlives_a_kill_but_not_its_limit() {
    let mut proxy = Proxy::start().await;
    let (first, second) = (Server::saying("first").await, Server::saying("second").await);
    proxy.put("1", &[first.address]).await;
    proxy.client.hold(ID, SOON).await.unwrap();
    proxy.restart().await;
    assert!(proxy.client.status().await.unwrap().routes[0].holding);
    let listen = proxy.listen;
    let waiting = tokio::spawn(async move { get(listen, "/", &[]).await.text });
    until("it is held", async || proxy.held().await == 1).await;
    proxy.put("2", &[second.address]).await;
    assert_eq!(waiting.await.unwrap(), "second");
    // What ended it is remembered too, be it a switch or a release.
    proxy.restart().await;
    assert_eq!(get(listen, "/", &[]).await.text, "second");
    proxy.client.hold(ID, SOON).await.unwrap();
    proxy.client.release(ID).await.unwrap();
    proxy.restart().await;
    assert_eq!(get(listen, "/", &[]).await.text, "second");
    // Nobody comes to end it: it ends by itself.
    let mut route = proxy.route("2", &[second.address]);
    route.hold.time_ms = 5000;
    proxy.client.put_route(&route).await.unwrap();
    proxy.client.hold(ID, SOON).await.unwrap();
    proxy.restart().await;
    assert!(proxy.client.status().await.unwrap().routes[0].holding);
    until("the hold is over", async || !proxy.client.status().await.unwrap().routes[0].holding).await;
    assert_eq!(get(listen, "/", &[]).await.text, "second");
}

#[tokio::test]
async fn the_proxys_own_answers_may_have_pages_of_ones_own() {
    let proxy = Proxy::start().await;
    let mut route = proxy.route("1", &[crate::support::address()]);
    let own = proxy.folder.path().join("503.html");
    route.http.errors.insert(503, own.clone());
    let refused = proxy.client.put_route(&route).await.unwrap_err();
    let ClientError::Refused { status: 409, message } = &refused else { panic!("{refused}") };
    assert!(message.contains("503.html"), "{message}");
    assert!(proxy.client.status().await.unwrap().routes.is_empty());
    fs::write(&own, "<h1>sorry</h1>").unwrap();
    proxy.client.put_route(&route).await.unwrap();
    let page = asking(&proxy, "text/html").await;
    assert_eq!((page.status, page.text.as_str(), page.header("retry-after")), (503, "<h1>sorry</h1>", "2"));
    assert!(asking(&proxy, "*/*").await.text.starts_with("503 "));
    // It is read when the route is put, and not again.
    fs::write(&own, "<h1>changed</h1>").unwrap();
    assert_eq!(asking(&proxy, "text/html").await.text, "<h1>sorry</h1>");
    route.http.errors.insert(200, own);
    let refused = proxy.client.put_route(&route).await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused { status: 400, .. }), "{refused}");
}
