//! Several pools behind one route: exact shares, clients that stay, probes that choose, counts for each.

use std::collections::BTreeMap;

use hyper::{Request, Response};
use landfall_model::Sticky;

use crate::support::{Proxy, SOON, Server, ask, connect, full, get, share};

const ID: &str = "app/dev/web";

#[tokio::test]
async fn each_pool_gets_its_share_and_its_counts() {
    let proxy = Proxy::start().await;
    let old = Server::saying("old").await;
    let new = Server::http(|request: Request<_>| async move {
        let status = if request.uri().path() == "/bad" { 500 } else { 200 };
        Response::builder().status(status).body(full("new")).unwrap()
    })
    .await;
    let mut route = proxy.route("old", &[old.address]);
    let weigh = |old_weight, new_weight| {
        vec![share("old", &[old.address], old_weight), share("new", &[new.address], new_weight)]
    };
    route.pools = weigh(95, 5);
    proxy.client.put_route(&route).await.unwrap();
    // One connection, so that one worker draws.
    let mut sender = connect(proxy.listen).await;
    let mut seen = BTreeMap::<String, u32>::new();
    for number in 0..400 {
        let path = if number % 2 == 0 { "/" } else { "/bad" };
        let request = Request::get(path).header("host", "x").body(full("")).unwrap();
        *seen.entry(ask(&mut sender, request).await.unwrap().text).or_default() += 1;
    }
    assert!(seen["new"].abs_diff(20) <= 4 && seen["old"] + seen["new"] == 400, "{seen:?}");
    let samples = proxy.client.samples(ID).await.unwrap();
    let of = |label: &str| samples.iter().find(|sample| sample.label == label).unwrap();
    assert_eq!((of("old").requests, of("old").errors), (seen["old"].into(), 0));
    assert_eq!(of("new").requests, u64::from(seen["new"]));
    assert!((1..of("new").requests).contains(&of("new").errors), "{samples:?}");
    for sample in &samples {
        assert_eq!(sample.latency.iter().map(|(_, count)| count).sum::<u64>(), sample.requests);
        assert!(sample.latency.is_sorted_by_key(|(upper, _)| *upper));
    }
    // The meter counts both. Other weights keep counts; no request goes to a pool that has lost its own.
    assert_eq!(proxy.client.meter(ID).await.unwrap().served, 400);
    route.pools = weigh(0, 1);
    proxy.client.put_route(&route).await.unwrap();
    assert_eq!(proxy.client.drained(ID, "old", SOON).await.unwrap(), 0);
    for _ in 0..50 {
        assert_eq!(get(proxy.listen, "/", &[]).await.text, "new");
    }
    let status = proxy.client.status().await.unwrap();
    let pools: Vec<_> = status.routes[0].pools.iter().map(|pool| (&*pool.label, pool.weight)).collect();
    assert_eq!(pools, [("old", 0), ("new", 1)]);
    assert_eq!(status.routes[0].pools[0].served, u64::from(seen["old"]));
    assert_eq!(status.routes[0].backends[1].pool, "new");
    // A probe is answered by whom it wants, and by no count.
    let probe = [("x-landfall-probe", status.token.as_str()), ("x-landfall-want", "old")];
    let answer = get(proxy.listen, "/", &probe).await;
    assert_eq!((answer.text.as_str(), answer.header("x-landfall-pool")), ("old", "old"));
    assert_eq!(get(proxy.listen, "/", &probe[1..]).await.text, "new", "without the token it is no probe");
    // A pool that fails altogether is the one whose errors are counted.
    drop(new);
    for _ in 0..3 {
        assert_eq!(get(proxy.listen, "/", &[]).await.status, 503);
    }
    let after = proxy.client.samples(ID).await.unwrap();
    assert_eq!(after[1].errors, of("new").errors + 3);
    assert_eq!(after[0], *of("old"));
}

#[tokio::test]
async fn clients_stay_where_they_are() {
    let proxy = Proxy::start().await;
    let (old, new) = (Server::saying("old").await, Server::saying("new").await);
    let mut route = proxy.route("old", &[old.address]);
    route.sticky = Some(Sticky::Cookie { name: "side".to_owned() });
    route.pools = vec![share("old", &[old.address], 1), share("new", &[new.address], 1)];
    proxy.client.put_route(&route).await.unwrap();
    for _ in 0..8 {
        let first = get(proxy.listen, "/", &[]).await;
        let cookie = first.header("set-cookie").split(';').next().unwrap().to_owned();
        assert!(cookie.starts_with("side="), "{cookie}");
        for _ in 0..5 {
            let next = get(proxy.listen, "/", &[("cookie", &format!("a=1; {cookie}"))]).await;
            assert_eq!((next.text.as_str(), next.header("set-cookie")), (first.text.as_str(), ""));
        }
    }
    // One pool alone needs no cookie, and one that names another is of no account.
    route.pools.remove(0);
    proxy.client.put_route(&route).await.unwrap();
    let answer = get(proxy.listen, "/", &[("cookie", "side=forged")]).await;
    assert_eq!((answer.text.as_str(), answer.header("set-cookie")), ("new", ""));

    route.sticky = Some(Sticky::Header { name: "x-user".to_owned() });
    let mut before = BTreeMap::new();
    for weight in [1, 3, 9] {
        route.pools = vec![share("old", &[old.address], 10 - weight), share("new", &[new.address], weight)];
        proxy.client.put_route(&route).await.unwrap();
        for user in 0..20 {
            let name = user.to_string();
            let text = get(proxy.listen, "/", &[("x-user", &name)]).await.text;
            let was = before.insert(user, text.clone());
            assert!(was.as_deref() != Some("new") || text == "new", "user {user} was sent back");
        }
    }
    assert!(before.values().filter(|text| *text == "new").count() > 10, "{before:?}");
}

#[tokio::test]
async fn pools_that_make_no_sense_are_refused() {
    let proxy = Proxy::start().await;
    let at = [crate::support::address()];
    let mut route = proxy.route("1", &at);
    for pools in [
        vec![],
        vec![share("1", &at, 0)],
        vec![share("1", &at, 1), share("1", &at, 1)],
        (0..9).map(|number| share(&number.to_string(), &at, 1)).collect(),
    ] {
        route.pools = pools;
        let refused = proxy.client.put_route(&route).await.unwrap_err();
        assert!(matches!(refused, landfall_proxy::ClientError::Refused { status: 400, .. }), "{refused}");
    }
    assert!(proxy.client.status().await.unwrap().routes.is_empty());
}
