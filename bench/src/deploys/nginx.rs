//! The peer that careful people build: two ports behind nginx, the new process healthy first, then a reload.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use landfall_fx::{Clock as _, SystemClock};
use landfall_testkit::load::{Load, LoadPlan};
use landfall_testkit::sandbox::free_address;
use landfall_testkit::wait::wait_for;

use super::alone::Alone;
use super::deployed::{Application, Deployed};
use super::under_load::RATE;
use crate::report::Section;
use crate::stats::{Times, ms, spread};

const RUNS: u32 = 10;

/// How long old workers get before the old process is stopped, as such scripts have it.
const GRACE: Duration = Duration::from_millis(500);

pub(crate) fn measure(binary: &Path, application: Application, section: &mut Section) {
    let quiet = |command: &mut Command| {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    };
    if !quiet(Command::new("nginx").arg("-v")) {
        return section.skipped(&format!("{} behind nginx: nginx is not installed", application.name()));
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("nginx.conf");
    let front = free_address();
    let write =
        |back: &str| std::fs::write(&config, configuration(folder.path(), &front, back)).expect("a file");
    let nginx = |signal: Option<&str>| {
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder.path()).arg("-c").arg(&config);
        if let Some(signal) = signal {
            command.args(["-s", signal]);
        }
        quiet(&mut command)
    };
    let deployed = Deployed::new(binary, application, "blue-green");
    let alone = Alone::like(&deployed);
    let mut started = alone.start();
    write(&started.address);
    if !nginx(None) {
        started.stop();
        return section.skipped(&format!("{} behind nginx: nginx does not start here", application.name()));
    }
    let up = wait_for(Duration::from_secs(5), || std::net::TcpStream::connect(&front).ok());
    assert!(up.is_some(), "nginx does not listen");
    let load = Load::start(LoadPlan::new(&front, &application.host(), RATE).path(application.path()));
    let mut switches = Times::default();
    for _ in 0..RUNS {
        let begun = Instant::now();
        let next = alone.start();
        write(&next.address);
        assert!(nginx(Some("reload")), "nginx reloads");
        switches.add(begun.elapsed().saturating_sub(next.boot));
        SystemClock::new().sleep(GRACE);
        started.stop();
        started = next;
    }
    let load = load.stop();
    nginx(Some("stop"));
    started.stop();
    section.compared(
        &format!("{}: a script with two ports and `nginx -s reload`, {RUNS} times under {RATE} requests a second", application.name()),
        &format!("{} failed of {}", load.failed, load.failed + load.served),
        &format!(
            "beyond the application's own boot {}, without building, shipping, testing or reading back; longest wait {}",
            spread(&switches),
            ms(load.longest_wait())
        ),
    );
}

fn configuration(folder: &Path, front: &str, back: &str) -> String {
    let folder = folder.display();
    format!(
        "pid {folder}/pid;\nerror_log {folder}/error.log;\nworker_processes 2;\nevents {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n  upstream back {{ server {back}; keepalive 32; }}\n  server {{\n    \
         listen {front};\n    location / {{\n      proxy_pass http://back;\n      proxy_http_version 1.1;\n      \
         proxy_set_header Connection \"\";\n      proxy_set_header Host $host;\n    }}\n  }}\n}}\n"
    )
}
