//! Where requests go, what they carry, what the proxy tells about itself.

use hyper::{Request, Response};
use landfall_proxy::ClientError;

use crate::support::{Proxy, Server, ask, connect, full, get};

/// A server that says its name and repeats the head it got.
async fn echo(name: &'static str) -> Server {
    Server::http(move |request: Request<_>| async move {
        let mut text = format!("{name} {} {}\n", request.method(), request.uri());
        for (name, value) in request.headers() {
            text += &format!("{name}: {}\n", value.to_str().unwrap());
        }
        Response::builder().header("x-landfall-pool", "forged").body(full(text)).unwrap()
    })
    .await
}

#[tokio::test]
async fn requests_go_where_their_host_and_path_say() {
    let proxy = Proxy::start().await;
    let (site, api) = (echo("site").await, echo("api").await);
    proxy.put("1", &[site.address]).await;
    let mut second = proxy.route("1", &[api.address]);
    second.id = "app/dev/api".to_owned();
    second.host = "API.example".to_owned();
    second.prefix = "/v1/".to_owned();
    second.strip = true;
    proxy.client.put_route(&second).await.unwrap();

    let at = |host: &str, path| {
        get(proxy.listen, path, if host.is_empty() { &[] } else { &[("host", "api.EXAMPLE:99")] })
    };
    assert!(at("", "/x?y=%20").await.text.starts_with("site GET /x?y=%20\n"));
    assert!(at("api", "/other").await.text.starts_with("site GET /other\n"));
    assert!(at("api", "/v1/x?y").await.text.starts_with("api GET /x?y\n"));
    assert!(at("api", "/v1?y").await.text.starts_with("api GET /?y\n"));
    let answer = get(proxy.listen, "/v1/", &[("host", "api.example"), ("x-forwarded-for", "6.6.6.6")]).await;
    assert!(answer.text.contains("x-forwarded-for: 127.0.0.1\n"), "{}", answer.text);
    assert!(answer.text.contains("x-forwarded-prefix: /v1\n"), "{}", answer.text);
    assert!(answer.text.contains("host: api.example\n"), "{}", answer.text);
    assert!(
        answer.text.contains("forwarded: for=127.0.0.1;host=\"api.example\";proto=http\n"),
        "{}",
        answer.text
    );
    let id =
        |text: &str| text.lines().find_map(|line| line.strip_prefix("x-request-id: ")).map(str::to_owned);
    let (first, other) = (at("", "/").await, at("", "/").await);
    assert!(id(&first.text).is_some_and(|id| id.len() == 32) && id(&first.text) != id(&other.text));

    proxy.client.remove_route("app/dev/web").await.unwrap();
    let mut sender = connect(proxy.listen).await;
    let request =
        |accept: &str| Request::get("/").header("host", "x").header("accept", accept).body(full("")).unwrap();
    let answer = ask(&mut sender, request("text/html,*/*")).await.unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (404, "text/html; charset=utf-8"));
    let answer = ask(&mut sender, request("*/*")).await.unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (404, "text/plain; charset=utf-8"));
    proxy.client.remove_route("app/dev/api").await.unwrap();
    proxy.client.remove_route("app/dev/api").await.unwrap();
    assert!(proxy.client.status().await.unwrap().listeners.is_empty());
}

/// Fields that a client sends, and the name of them that is kept.
type Case<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>);

#[tokio::test]
async fn each_request_has_one_name() {
    let proxy = Proxy::start().await;
    let server = echo("web").await;
    proxy.put("1", &[server.address]).await;
    let long = "x".repeat(201);
    let cases: [Case<'_>; 6] = [
        (&[("X-Request-ID", "mine-1")], Some("mine-1")),
        (&[("x-request-id", "mine"), ("connection", "x-request-id")], Some("mine")),
        (&[("x-request-id", "a"), ("x-request-id", "b")], None),
        (&[("x_request_id", "a")], None),
        (&[("x-request-id", "a b")], None),
        (&[("x-request-id", &long)], None),
    ];
    for (headers, kept) in cases {
        let text = get(proxy.listen, "/", headers).await.text;
        let names: Vec<_> =
            text.lines().filter(|line| line.replace('_', "-").starts_with("x-request-id: ")).collect();
        let [name] = names[..] else { panic!("{headers:?}: {names:?}") };
        let name = name.trim_start_matches("x-request-id: ");
        match kept {
            Some(kept) => assert_eq!(name, kept),
            None => assert!(name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}"),
        }
    }
}

#[tokio::test]
async fn only_a_probe_with_the_token_learns_the_pool() {
    let proxy = Proxy::start().await;
    let server = echo("web").await;
    proxy.put("1.4.0", &[server.address]).await;
    let token = proxy.client.status().await.unwrap().token;
    let answer = get(proxy.listen, "/", &[("x-landfall-probe", &token)]).await;
    assert_eq!(answer.header("x-landfall-pool"), "1.4.0");
    assert!(!answer.text.contains("x-landfall-probe"), "{}", answer.text);
    // Nobody sent it but the prober: it is not one of the requests that were served.
    assert_eq!(proxy.client.meter("app/dev/web").await.unwrap().served, 0);
    let wrong = "0".repeat(token.len());
    for headers in [&[][..], &[("x-landfall-probe", wrong.as_str())], &[("x-landfall-probe", "")]] {
        let answer = get(proxy.listen, "/", headers).await;
        assert_eq!(answer.header("x-landfall-pool"), "");
        assert!(!answer.text.contains("x-landfall-probe"), "{}", answer.text);
    }
    assert_eq!(proxy.client.meter("app/dev/web").await.unwrap().served, 3);
}

#[tokio::test]
async fn two_routes_cannot_have_the_same_place() {
    let proxy = Proxy::start().await;
    let server = Server::saying("first").await;
    proxy.put("1", &[server.address]).await;
    let mut other = proxy.route("1", &[server.address]);
    other.id = "other/dev/web".to_owned();
    let refused = proxy.client.put_route(&other).await.unwrap_err();
    assert!(
        matches!(&refused, ClientError::Refused { status: 409, message } if message.contains("app/dev/web")),
        "{refused}"
    );
    // Not even on all addresses of the machine, or with the same said in another way.
    for (listen, host, prefix) in
        [(([0, 0, 0, 0], proxy.listen.port()).into(), "*", "/"), (proxy.listen, "", "")]
    {
        let again = landfall_proxy::RouteConfig {
            listen,
            host: host.to_owned(),
            prefix: prefix.to_owned(),
            ..other.clone()
        };
        let refused = proxy.client.put_route(&again).await.unwrap_err();
        let ClientError::Refused { status: 409, message } = &refused else { panic!("{refused}") };
        assert!(message.contains("`app/dev/web`"), "{message}");
    }
    other.prefix = "/other".to_owned();
    other.http.proxy_protocol = true;
    other.http.trusted = vec!["127.0.0.1".parse().unwrap()];
    let refused = proxy.client.put_route(&other).await.unwrap_err();
    assert!(refused.to_string().contains("PROXY protocol"), "{refused}");
    other.http.proxy_protocol = false;
    proxy.client.put_route(&other).await.unwrap();
    other.pools[0].pool.backend = landfall_proxy::Backend::Instances { addresses: Vec::new() };
    let refused = proxy.client.put_route(&other).await.unwrap_err();
    assert!(matches!(&refused, ClientError::Refused { status: 400, .. }), "{refused}");
    assert_eq!(get(proxy.listen, "/other", &[]).await.text, "first");
}

/// A port that nobody listens on, on any address, and that no connection gets by itself.
fn free_port() -> u16 {
    let first = 61_000 + u16::try_from(std::process::id() % 4000).unwrap();
    let free = |port: &u16| std::net::TcpListener::bind(("0.0.0.0", *port)).is_ok();
    (first..=u16::MAX).find(free).expect("a free port")
}

#[tokio::test]
async fn a_route_on_all_addresses_answers_beside_one_on_a_single_address() {
    let v6 = std::net::TcpListener::bind("[::]:0").is_ok();
    for all in ["0.0.0.0", "[::]"].into_iter().filter(|all| v6 || *all != "[::]") {
        let mut proxy = Proxy::start().await;
        let (first, second) = (Server::saying("first").await, Server::saying("second").await);
        let port = free_port();
        let (here, elsewhere) = ((proxy.listen.ip(), port).into(), ([127, 0, 0, 1], port).into());
        let wide = landfall_proxy::RouteConfig {
            listen: format!("{all}:{port}").parse().unwrap(),
            host: "first.example".to_owned(),
            ..proxy.route("1", &[first.address])
        };
        proxy.client.put_route(&wide).await.unwrap();
        let mut early = connect(here).await;
        let narrow = landfall_proxy::RouteConfig {
            id: "other/dev/web".to_owned(),
            listen: here,
            host: "second.example".to_owned(),
            ..proxy.route("1", &[second.address])
        };
        proxy.client.put_route(&narrow).await.unwrap();
        for restarted in [false, true] {
            let answer = async |at, host| get(at, "/", &[("host", host)]).await.text;
            assert_eq!(answer(here, "first.example").await, "first", "{all} {restarted}");
            assert_eq!(answer(here, "second.example").await, "second", "{all} {restarted}");
            assert_eq!(answer(elsewhere, "first.example").await, "first", "{all} {restarted}");
            let astray = get(elsewhere, "/", &[("host", "second.example")]).await;
            assert_eq!(astray.status, 404, "{all}: it is on {here} alone");
            if !restarted {
                // It came in by the socket of all addresses.
                let request = Request::get("/").header("host", "second.example").body(full("")).unwrap();
                assert_eq!(ask(&mut early, request).await.unwrap().text, "second", "{all}");
                proxy.restart().await;
            }
        }
        let taken = landfall_proxy::RouteConfig { host: wide.host.clone(), ..narrow.clone() };
        let refused = proxy.client.put_route(&taken).await.unwrap_err();
        assert!(refused.to_string().contains("`app/dev/web`"), "{refused}");
        proxy.client.remove_route(&narrow.id).await.unwrap();
        assert_eq!(get(here, "/", &[("host", "first.example")]).await.text, "first", "{all}");
    }
}
