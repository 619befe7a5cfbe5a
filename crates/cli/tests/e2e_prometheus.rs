//! A canary that a real Prometheus judges: Debian's package `prometheus`, on loopback.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use landfall_testkit::app::Tiny;
use landfall_testkit::ask::ask;
use landfall_testkit::load::{Load, LoadPlan};
use landfall_testkit::sandbox::{Sandbox, free_address};
use landfall_testkit::wait::wait_until;

/// A server that ends with the test.
struct Server(Child);

impl Server {
    /// `None` where there is no Prometheus.
    fn start(folder: &Path, address: &str) -> Option<Self> {
        let config = folder.join("prometheus.yml");
        std::fs::write(&config, "global:\n  scrape_interval: 5s\n").expect("a file");
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let server = Self(child);
        wait_until("Prometheus is ready", Duration::from_secs(60), || {
            ask(address, "localhost", "/-/ready").is_ok_and(|answer| answer.status == 200)
        });
        Some(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended is what was wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_server_says_whether_a_release_is_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = free_address();
    let Some(_running) = Server::start(folder.path(), &server) else {
        eprintln!(
            "SKIPPED: a canary that Prometheus judges: there is no `prometheus` (Debian: apt-get install prometheus)"
        );
        return;
    };
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    let tiny = Tiny::new("tiny", &free_address(), "canary");
    let write = |says: &str, query: &str| {
        sandbox.write_tiny(&tiny.clone().says(says));
        let strategy = format!(
            "strategy = {{ kind = \"canary\", steps = [10], hold = \"3s\", requests = 10, \
             prometheus = {{ url = \"http://{server}\", query = '{query}' }} }}"
        );
        sandbox.edit("landfall.toml", r#"strategy = "canary""#, &strategy);
    };
    let says = || ask(&tiny.listen, &tiny.host(), "/").expect("an answer").body.trim_end().to_owned();
    write("one", "vector(1)");
    sandbox.run(&["deploy"]).ok();
    let load = Load::start(LoadPlan::new(&tiny.listen, &tiny.host(), 100));

    // Both versions are filled in; an equal pair of them would give 0.
    write(
        "two",
        r#"count(label_replace(vector(1), "v", "${version}", "", "") unless on (v) label_replace(vector(1), "v", "${previous}", "", "")) == bool 1"#,
    );
    sandbox.run(&["deploy"]).ok();
    assert_eq!(says(), "two");

    write("three", "vector(0)");
    let fault = sandbox.run(&["deploy", "--json"]).code(4).fault();
    assert!(fault.message.contains("answered 0 to `vector(0)`"), "{fault:?}");
    assert_eq!(says(), "two");
    drop(load.stop().lost_nothing());
}
