//! How the proxy is watched: the access log, on a full disk too, and metrics that Prometheus' own tool accepts.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use hyper::{Request, Response};
use serde_json::Value;

use crate::support::{Proxy, SOON, Server, address, ask, connect, full, get, share, until};

/// A small disk in memory, mounted for as long as it is kept.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    fn mount(folder: &'a Path) -> Option<Self> {
        fs::create_dir_all(folder).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k", "landfall-test"]).arg(folder);
        mount.output().is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

fn lines(log: &Path) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

/// The value of the one line that starts with `name`.
async fn metric(proxy: &Proxy, name: &str) -> f64 {
    let text = proxy.client.metrics().await.unwrap();
    let mut found = text.lines().filter_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    found.next().unwrap_or_else(|| panic!("no {name} in {text}"))
}

#[tokio::test]
async fn each_request_is_a_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("log")).unwrap();
    let proxy = Proxy::start_in(folder).await;
    let log = proxy.folder.path().join("log/access.log");
    let server = Server::saying("four").await;
    proxy.put("1.0.0", &[server.address]).await;
    let headers = [("host", "a.example"), ("user-agent", "a \"b\""), ("x-request-id", "mine")];
    get(proxy.listen, "/x?y", &headers).await;
    until("the line is there", async || lines(&log).len() == 1).await;
    let line = lines(&log).remove(0);
    for (name, want) in [
        ("id", "mine"),
        ("client", "127.0.0.1"),
        ("method", "GET"),
        ("host", "a.example"),
        ("path", "/x?y"),
        ("route", "app/dev/web"),
        ("pool", "1.0.0"),
        ("backend", &server.address.to_string()),
        ("protocol", "HTTP/1.1"),
        ("agent", "a \"b\""),
    ] {
        assert_eq!(line[name], want, "{name} of {line}");
    }
    assert_eq!((&line["status"], &line["sent"]), (&200.into(), &4.into()));
    assert!(line["ms"].as_f64().unwrap() >= 0.0 && line["time"].as_str().unwrap().ends_with('Z'));
    // A route may ask to be left out; what goes nowhere is logged too.
    let mut route = proxy.route("1.0.0", &[server.address]);
    route.http.access_log = false;
    proxy.client.put_route(&route).await.unwrap();
    get(proxy.listen, "/quiet", &[]).await;
    proxy.client.remove_route("app/dev/web").await.unwrap();
    route.http.access_log = true;
    route.host = "b.example".to_owned();
    proxy.client.put_route(&route).await.unwrap();
    assert_eq!(get(proxy.listen, "/lost", &[]).await.status, 404);
    until("the line is there", async || lines(&log).len() == 2).await;
    assert_eq!((&lines(&log)[1]["path"], &lines(&log)[1]["status"]), (&"/lost".into(), &404.into()));
    // It is begun anew when it is large; a line in flight at the end is written.
    let mut sender = connect(proxy.listen).await;
    for number in 0..600 {
        let request = Request::get(format!("/{number}")).header("host", "b.example").body(full("")).unwrap();
        ask(&mut sender, request).await.unwrap();
    }
    until("an older file is there", async || log.with_extension("log.1").exists()).await;
    get(proxy.listen, "/last", &[("host", "b.example")]).await;
    proxy.client.shutdown().await.unwrap();
    // Each thread writes its lines together: the last one may stand before some of another thread.
    let is_last = |line: &Value| line["path"] == "/last";
    until("the last line is there", async || {
        [&log, &log.with_extension("log.1")].into_iter().any(|file| lines(file).iter().any(is_last))
    })
    .await;
}

#[tokio::test]
async fn a_full_disk_costs_lines_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let log_folder = folder.path().join("log");
    let Some(disk) = Disk::mount(&log_folder) else {
        eprintln!("SKIPPED: this user may not mount a small disk");
        return;
    };
    let proxy = Proxy::start_in(folder).await;
    let server = Server::saying("ok").await;
    proxy.put("1", &[server.address]).await;
    let filler = disk.0.join("filler");
    let _ = fs::write(&filler, vec![0; 1024 * 1024]);
    let mut sender = connect(proxy.listen).await;
    for number in 0..500 {
        let request = Request::get(format!("/{number}")).header("host", "x").body(full("")).unwrap();
        assert_eq!(ask(&mut sender, request).await.unwrap().text, "ok");
    }
    until("lines are dropped and counted", async || {
        metric(&proxy, "landfall_proxy_log_lines_dropped_total").await > 0.0
    })
    .await;
    fs::remove_file(&filler).unwrap();
    let log = disk.0.join("access.log");
    let mut number = 0;
    until("it is written again", async || {
        number += 1;
        get(proxy.listen, &format!("/after/{number}"), &[]).await;
        lines(&log).last().is_some_and(|line| line["path"].as_str().unwrap().starts_with("/after/"))
    })
    .await;
}

#[tokio::test]
async fn metrics_are_as_prometheus_wants_them() {
    let folder = tempfile::tempdir().unwrap();
    let at = address();
    fs::write(folder.path().join("metrics"), at.to_string()).unwrap();
    let proxy = Proxy::start_in(folder).await;
    let old = Server::saying("old").await;
    let new = Server::http(|_| async { Response::builder().status(503).body(full("no")).unwrap() }).await;
    let mut route = proxy.route("1", &[old.address]);
    route.pools = vec![share("1", &[old.address], 1), share("2", &[new.address], 1)];
    proxy.client.put_route(&route).await.unwrap();
    let mut sender = connect(proxy.listen).await;
    for _ in 0..40 {
        let request = Request::get("/").header("host", "x").body(full("")).unwrap();
        ask(&mut sender, request).await.unwrap();
    }
    let of = |name: &str, pool: u32, more: &str| {
        format!("landfall_proxy_{name}{{route=\"app/dev/web\",pool=\"{pool}\"{more}}}")
    };
    let (ok, bad) = (
        metric(&proxy, &of("requests_total", 1, ",code=\"2xx\"")).await,
        metric(&proxy, &of("requests_total", 2, ",code=\"5xx\"")).await,
    );
    assert!(ok + bad == 40.0 && (ok - bad).abs() <= 4.0, "{ok} {bad}");
    let counted = metric(&proxy, &of("request_duration_seconds_count", 1, "")).await;
    let in_all = metric(&proxy, &of("request_duration_seconds_bucket", 1, ",le=\"+Inf\"")).await;
    assert!(counted == ok && in_all == ok, "{counted} {in_all}");
    assert!(metric(&proxy, &of("request_duration_seconds_sum", 1, "")).await > 0.0);
    assert_eq!(metric(&proxy, &of("requests_errors_total", 2, "")).await, bad);
    assert!(metric(&proxy, "landfall_proxy_connections_open").await >= 1.0);
    assert_eq!(proxy.client.drained("app/dev/web", "1", SOON).await.unwrap(), 0);

    // The same on the address that a Prometheus server scrapes.
    let scraped = get(at, "/metrics", &[]).await;
    assert_eq!(scraped.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(get(at, "/v1/status", &[]).await.status, 404);
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else {
        eprintln!("SKIPPED: promtool is not installed (Debian's package `prometheus`)");
        return;
    };
    promtool.stdin.take().unwrap().write_all(scraped.text.as_bytes()).unwrap();
    let checked = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success() && said.is_empty(), "{said}\n{}", scraped.text);
}
