//! HTTPS through the whole proxy: certificates of every source, redirects, changes under open connections, restarts.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use landfall_model::{Certificate, CertificateStatus, Challenge, Millis, Tls};
use landfall_proxy::RouteConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;

use crate::pebble::{Pebble, Setup};
use crate::support::{self, Answer, Body, Proxy, SOON, Server, ask, full, get, raw, until};
use crate::wire::{connect, shown, trusting};

/// A route with HTTPS on the port 18443 of the proxy's own address.
fn secure(proxy: &Proxy, backend: &Server, certificate: Certificate) -> RouteConfig {
    let mut route = proxy.route("1", &[backend.address]);
    let mut listen = proxy.listen;
    listen.set_port(18443);
    route.tls = Some(Tls {
        listen: listen.to_string(),
        certificate,
        redirect: true,
        hsts: Some(Millis::seconds(600)),
    });
    route
}

fn at(route: &RouteConfig) -> std::net::SocketAddr {
    route.tls.as_ref().unwrap().listen.parse().unwrap()
}

/// A client that trusts the proxy's own authority.
fn client(proxy: &Proxy) -> Arc<ClientConfig> {
    trusting(&fs::read(proxy.folder.path().join("tls/authority/root.pem")).unwrap())
}

/// HTTP/1.1 on a connection.
async fn speak(stream: TlsStream<TcpStream>) -> hyper::client::conn::http1::SendRequest<Body> {
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    sender
}

async fn get_secure(config: &Arc<ClientConfig>, route: &RouteConfig, host: &str, path: &str) -> Answer {
    let mut sender = speak(connect(config, at(route), host).await.unwrap()).await;
    ask(&mut sender, Request::get(path).header("host", host).body(full("")).unwrap()).await.unwrap()
}

async fn status(proxy: &Proxy, host: &str) -> CertificateStatus {
    let all = proxy.client.certificates().await.unwrap();
    all.iter().find(|status| status.host == host).unwrap_or_else(|| panic!("{host}: {all:?}")).clone()
}

/// One that answers with what it was told of the client's protocol.
async fn telling() -> Server {
    Server::http(|request| async move {
        let told = |name| request.headers().get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
        Response::new(full(format!("{} {}", told("x-forwarded-proto"), told("forwarded"))))
    })
    .await
}

#[tokio::test]
async fn the_host_s_own_authority_serves_at_once_and_after_a_kill() {
    let (mut proxy, backend) = (Proxy::start().await, telling().await);
    let mut route = secure(&proxy, &backend, Certificate::Internal);
    route.host = "a.localhost".to_owned();
    proxy.client.put_route(&route).await.unwrap();
    let client = client(&proxy);
    let answer = get_secure(&client, &route, "a.localhost", "/").await;
    assert!(answer.text.starts_with("https "), "{}", answer.text);
    assert!(answer.text.contains("proto=https"), "{}", answer.text);
    assert_eq!(answer.header("strict-transport-security"), "max-age=600");
    let alert = connect(&client, at(&route), "b.localhost").await.err().unwrap();
    assert!(alert.to_string().contains("UnrecognisedName"), "{alert}");
    let known = status(&proxy, "a.localhost").await;
    assert_eq!((known.problem, known.names), (None, vec!["a.localhost".to_owned()]));
    let metrics = raw_metrics(&proxy).await;
    assert!(
        metrics.contains("landfall_proxy_certificate_expiry_timestamp_seconds{host=\"a.localhost\"} "),
        "{metrics}"
    );
    proxy.restart().await;
    assert_eq!(get_secure(&client, &route, "a.localhost", "/").await.status, 200);
}

/// What the control socket says of metrics, by curl.
async fn raw_metrics(proxy: &Proxy) -> String {
    let socket = proxy.folder.path().join("proxy.sock");
    let mut command = Command::new("curl");
    command.args(["-sS", "--unix-socket"]).arg(socket).arg("http://proxy/metrics");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn plain_requests_are_sent_to_https_unless_they_came_by_it() {
    let (proxy, backend) = (Proxy::start().await, telling().await);
    let mut route = secure(&proxy, &backend, Certificate::Internal);
    proxy.client.put_route(&route).await.unwrap();
    let answer = get(proxy.listen, "/x?y=1", &[("host", "a.test:18080")]).await;
    assert_eq!((answer.status, answer.header("location")), (301, "https://a.test:18443/x?y=1"));
    assert_eq!(answer.header("strict-transport-security"), "", "not over plain HTTP");
    let posted = raw(
        proxy.listen,
        b"POST /x HTTP/1.1\r\nhost: a.test\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi",
    )
    .await;
    assert!(
        posted.starts_with("HTTP/1.1 308 ") && posted.contains("location: https://a.test:18443/x\r\n"),
        "{posted}"
    );
    let token = proxy.client.status().await.unwrap().token;
    let probe = get(proxy.listen, "/", &[("host", "a.test"), ("x-landfall-probe", &token)]).await;
    assert_eq!((probe.status, probe.header("x-landfall-pool")), (200, "1"), "a probe passes");
    let claimed = [("host", "a.test"), ("x-forwarded-proto", "https"), ("x-forwarded-for", "192.0.2.1")];
    assert_eq!(get(proxy.listen, "/", &claimed).await.status, 301, "anybody can say so");
    route.http.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    proxy.client.put_route(&route).await.unwrap();
    assert_eq!(get(proxy.listen, "/", &claimed).await.status, 200, "a trusted proxy in front says so");
    route.tls.as_mut().unwrap().redirect = false;
    proxy.client.put_route(&route).await.unwrap();
    assert_eq!(get(proxy.listen, "/", &[("host", "a.test")]).await.status, 200);
}

/// A certificate of its own for a.test, as files that are replaced like renewing tools do it.
fn install(folder: &Path) -> Vec<u8> {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    for (name, text) in [("live.key", key.serialize_pem()), ("live.pem", certificate.pem())] {
        fs::write(folder.join("new"), text).unwrap();
        fs::rename(folder.join("new"), folder.join(name)).unwrap();
    }
    certificate.pem().into_bytes()
}

fn files(folder: &Path) -> Certificate {
    let path = |name: &str| folder.join(name).display().to_string();
    Certificate::Files { certificate: path("live.pem"), key: path("live.key") }
}

#[tokio::test]
async fn a_certificate_changes_without_dropping_a_connection() {
    let (proxy, backend) = (Proxy::start().await, telling().await);
    let folder = tempfile::tempdir().unwrap();
    let first = install(folder.path());
    let mut route = secure(&proxy, &backend, files(folder.path()));
    route.host = "a.test".to_owned();
    proxy.client.put_route(&route).await.unwrap();
    let stream = connect(&trusting(&first), at(&route), "a.test").await.unwrap();
    let before = shown(&stream);
    let mut open = speak(stream).await;
    let request = || Request::get("/").header("host", "a.test").body(full("")).unwrap();
    assert_eq!(ask(&mut open, request()).await.unwrap().status, 200);
    let second = install(folder.path());
    let client = trusting(&second);
    until("the new certificate is shown", async || connect(&client, at(&route), "a.test").await.is_ok())
        .await;
    assert_eq!(ask(&mut open, request()).await.unwrap().status, 200, "the open connection goes on");
    assert!(shown(&connect(&client, at(&route), "a.test").await.unwrap()) != before);
    // A bad one is named, and the good one is served on.
    fs::write(folder.path().join("live.key"), "nothing").unwrap();
    until("the bad key is named", async || {
        status(&proxy, "a.test")
            .await
            .problem
            .is_some_and(|problem| problem.contains("live.key holds no key"))
    })
    .await;
    assert_eq!(get_secure(&client, &route, "a.test", "/").await.status, 200);
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_nothing_changes() {
    let (proxy, backend) = (Proxy::start().await, telling().await);
    let folder = tempfile::tempdir().unwrap();
    let refused = async |route: &RouteConfig| {
        proxy.client.put_route(route).await.expect_err("it must be refused").to_string()
    };
    let route = secure(&proxy, &backend, files(folder.path()));
    assert!(refused(&route).await.contains("live.pem cannot be read"));
    let internal = secure(&proxy, &backend, Certificate::Internal);
    let mut same = internal.clone();
    same.tls.as_mut().unwrap().listen = same.listen.to_string();
    assert!(refused(&same).await.contains("both HTTP and HTTPS"));
    same.tls.as_mut().unwrap().listen = format!("0.0.0.0:{}", same.listen.port());
    assert!(refused(&same).await.contains("both HTTP and HTTPS"));
    proxy.client.put_route(&internal).await.unwrap();
    let mut other = proxy.route("1", &[backend.address]);
    (other.id, other.listen, other.host) = ("other".to_owned(), at(&internal), "b.test".to_owned());
    assert!(refused(&other).await.contains("for both HTTP and HTTPS"));
    install(folder.path());
    let mut clash = secure(&proxy, &backend, files(folder.path()));
    (clash.id, clash.prefix) = ("other".to_owned(), "/api".to_owned());
    assert!(refused(&clash).await.contains("another certificate"));
    assert_eq!(proxy.client.status().await.unwrap().routes.len(), 1);
}

/// The proxy of a pebble: it listens where pebble looks.
async fn proxied(pebble: &Pebble) -> Proxy {
    let mut proxy = Proxy::start().await;
    proxy.listen = pebble.site().1;
    proxy
}

#[tokio::test]
async fn an_acme_server_gives_certificates_by_both_challenges_and_a_kill_loses_none() {
    let Some(mut pebble) = Pebble::start(Setup::default()).await else {
        return;
    };
    let (mut proxy, backend) = (proxied(&pebble).await, telling().await);
    let client = pebble.client().await;
    let mut routes = Vec::new();
    for (host, challenge) in [("a.test", Challenge::Http01), ("b.test", Challenge::TlsAlpn01)] {
        let mut route = secure(&proxy, &backend, pebble.certificate(&[challenge]));
        (route.id, route.host) = (host.to_owned(), host.to_owned());
        proxy.client.put_route(&route).await.unwrap();
        until("there is a certificate", async || status(&proxy, host).await.not_after.is_some()).await;
        assert_eq!(get_secure(&client, &route, host, "/").await.status, 200);
        routes.push(route);
    }
    pebble.stop();
    proxy.restart().await;
    for route in &routes {
        assert_eq!(get_secure(&client, route, &route.host, "/").await.status, 200);
    }
    // A path that no ACME server was told of is a request like any other.
    let path = "/.well-known/acme-challenge/other";
    assert_eq!(get(proxy.listen, path, &[("host", "a.test")]).await.status, 301);
}

#[tokio::test]
async fn the_application_says_which_hosts_get_a_certificate_on_demand() {
    let Some(pebble) = Pebble::start(Setup::default()).await else {
        return;
    };
    let proxy = proxied(&pebble).await;
    let backend = Server::http(|request| async move {
        let refused = request.uri().path() == "/allowed" && request.uri().query() != Some("domain=shop.test");
        Response::builder().status(if refused { 403 } else { 200 }).body(full("shop")).unwrap()
    })
    .await;
    let mut acme = pebble.acme(&[Challenge::TlsAlpn01]);
    acme.on_demand = Some("/allowed".to_owned());
    let route = secure(&proxy, &backend, Certificate::Acme(acme));
    proxy.client.put_route(&route).await.unwrap();
    let client = pebble.client().await;
    assert_eq!(get_secure(&client, &route, "shop.test", "/").await.text, "shop");
    assert!(connect(&client, at(&route), "evil.test").await.is_err());
    assert!(!pebble.log().contains("evil.test"));
}

#[tokio::test]
async fn curl_is_served_and_a_large_body_comes_through_whole() {
    let proxy = Proxy::start().await;
    let backend = Server::http(|request| async move {
        use http_body_util::BodyExt as _;
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(full(body))
    })
    .await;
    let route = secure(&proxy, &backend, Certificate::Internal);
    proxy.client.put_route(&route).await.unwrap();
    let folder = proxy.folder.path().to_owned();
    let sent: Vec<u8> =
        (0..3_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(folder.join("sent"), &sent).unwrap();
    let address = at(&route);
    for version in ["1.1", "2"] {
        let (version, text) = curl(&folder, address, version).await;
        assert!(text == sent, "{version} {}", text.len());
    }
}

/// Posts the file `sent` by curl in a version of HTTP; gives the version that was settled on and the answer's body.
async fn curl(folder: &Path, address: std::net::SocketAddr, version: &str) -> (String, Vec<u8>) {
    let (at, wanted) = (folder.to_owned(), version.to_owned());
    let output = tokio::task::spawn_blocking(move || {
        Command::new("curl")
            .current_dir(&at)
            .args(["-sS", "--max-time", "60", "--cacert", "tls/authority/root.pem", "--data-binary", "@sent"])
            .args([&format!("--http{wanted}"), "-o", "got", "-w", "%{http_version}"])
            .args(["--resolve", &format!("a.test:{}:{}", address.port(), address.ip())])
            .arg(format!("https://a.test:{}/", address.port()))
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said, version, "{}", String::from_utf8_lossy(&output.stderr));
    (said, fs::read(folder.join("got")).unwrap())
}

/// One that changes to an echo.
async fn echoing() -> Server {
    Server::raw(|mut socket, _| async move {
        if support::head(&mut socket).await.is_none() {
            return;
        }
        let answer = "HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
        socket.write_all(answer.as_bytes()).await.unwrap();
        let (mut from, mut to) = socket.split();
        let _ = tokio::io::copy(&mut from, &mut to).await;
    })
    .await
}

/// Sends a word through an echo and reads it back.
async fn echo(stream: &mut TlsStream<TcpStream>, word: &str) {
    stream.write_all(word.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let mut back = vec![0; word.len()];
    tokio::time::timeout(SOON, stream.read_exact(&mut back)).await.expect("no echo").unwrap();
    assert_eq!(back, word.as_bytes());
}

#[tokio::test]
async fn another_proxy_takes_over_websockets_go_on_and_orders_are_made() {
    let Some(pebble) = Pebble::start(Setup::default()).await else {
        return;
    };
    let (mut proxy, backend) = (proxied(&pebble).await, echoing().await);
    let mut route = secure(&proxy, &backend, pebble.certificate(&[Challenge::TlsAlpn01]));
    route.host = "a.test".to_owned();
    proxy.client.put_route(&route).await.unwrap();
    until("there is a certificate", async || status(&proxy, "a.test").await.not_after.is_some()).await;
    let client = pebble.client().await;
    let mut socket = connect(&client, at(&route), "a.test").await.unwrap();
    let head = "GET /echo HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.flush().await.unwrap();
    let answer = support::head(&mut socket).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    echo(&mut socket, "before").await;
    let mut before = proxy.take_over(2).await;
    echo(&mut socket, "after").await;
    connect(&client, at(&route), "a.test").await.expect("the new one has the certificate at once");
    // The one of before orders no more: the new one does.
    let mut other = route.clone();
    (other.id, other.host) = ("other".to_owned(), "b.test".to_owned());
    proxy.client.put_route(&other).await.unwrap();
    until("the new one got a certificate", async || status(&proxy, "b.test").await.not_after.is_some()).await;
    connect(&client, at(&route), "b.test").await.unwrap();
    assert!(before.runs(), "it still has the websocket");
    echo(&mut socket, "still").await;
    drop(socket);
    until("the one of before ends", async || !before.runs()).await;
}

#[tokio::test]
async fn a_connection_that_ends_is_ended_through_tls() {
    let (proxy, backend) = (Proxy::start().await, telling().await);
    let route = secure(&proxy, &backend, Certificate::Internal);
    proxy.client.put_route(&route).await.unwrap();
    let mut stream = connect(&client(&proxy), at(&route), "a.test").await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await.unwrap();
    assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
    proxy.client.shutdown().await.unwrap();
    // Without a word of TLS this would be an error: anybody between could have cut it.
    let mut rest = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut rest)).await.expect("it must end").unwrap();
}
