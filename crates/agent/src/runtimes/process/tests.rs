//! Instances of a host with real supervisors, in states that a killed agent leaves behind.
#![expect(clippy::disallowed_methods, reason = "tests wait for real processes")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use landfall_fx::StateDir;
use landfall_fx::host::{Instances as _, Ledger as _, Releases as _, Task};
use landfall_model::{InstanceState, Release, ReleaseId, Stream};
use landfall_shim::{Handle, is_alive, last_report};
use rustix::process::{Pid, Signal, kill_process};

use crate::host::LocalHost;

/// Where the test that plays a supervisor finds its instance.
const FOLDER: &str = "LANDFALL_TEST_SHIM";

/// No test of this crate takes longer than this for anything.
const LIMIT: Duration = Duration::from_secs(60);

struct Silent;

impl Task for Silent {
    fn line(&self, _: Stream, _: &str) {}
    fn cancelled(&self) -> bool {
        false
    }
}

/// Played by a process of its own: the supervisor that the agent starts.
#[test]
#[ignore = "runs as a supervisor, started by other tests"]
fn supervisor() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let _ = landfall_shim::run(Path::new(&folder));
    }
}

struct World {
    _folder: tempfile::TempDir,
    runtime: Option<std::thread::JoinHandle<()>>,
    ended: Arc<tokio::sync::Notify>,
    host: Arc<LocalHost>,
    release: Release,
}

impl World {
    fn new(spec: &serde_json::Value) -> Self {
        let folder = tempfile::Builder::new().prefix("a b").tempdir().unwrap();
        let program = folder.path().join("landfall");
        let this = std::env::current_exe().unwrap();
        let script = format!(
            "#!/bin/sh\n{FOLDER}=\"$2\" exec '{}' --exact runtimes::process::tests::supervisor --ignored\n",
            this.display()
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let ended = Arc::new(tokio::sync::Notify::new());
        let end = Arc::clone(&ended);
        let runtime = std::thread::spawn(move || runtime.block_on(end.notified()));
        let state = StateDir::open(&folder.path().join("state")).unwrap();
        let host = LocalHost::open(state, program, handle).unwrap();
        let release = release(spec);
        host.record(&release).unwrap();
        fs::create_dir_all(host.dir().release(&release)).unwrap();
        Self { _folder: folder, runtime: Some(runtime), ended, host, release }
    }

    fn folder_of(&self, index: usize) -> PathBuf {
        self.host.dir().instance(&self.release.instances()[index])
    }

    fn start(&self) {
        self.host.start(&self.release, u32::MAX, &Silent).unwrap();
        self.host.await_healthy(&self.release, u32::MAX, &Silent).unwrap();
    }

    /// The instance's main process and its supervisor.
    fn processes(&self, index: usize) -> (u32, u32) {
        let report = last_report(&self.folder_of(index)).unwrap().unwrap();
        (report.pid.unwrap(), report.shim_pid)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.host.stop(&self.release);
        sweep(self.host.dir().root());
        let secrets = self.host.dir().secrets_folder().to_owned();
        let _ = fs::remove_dir_all(secrets);
        self.ended.notify_one();
        let _ = self.runtime.take().map(std::thread::JoinHandle::join);
    }
}

/// Ends whatever a test left behind on purpose: supervisors that were told of a folder below `root`, and what runs there.
fn sweep(root: &Path) {
    let mark = format!("{FOLDER}={}", root.display());
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    for pid in processes.filter(|pid: &u32| *pid != std::process::id()) {
        let of = |what: &str| PathBuf::from(format!("/proc/{pid}/{what}"));
        let told = fs::read(of("environ")).is_ok_and(|bytes| {
            bytes.split(|byte| *byte == 0).any(|variable| variable.starts_with(mark.as_bytes()))
        });
        let there = fs::read_link(of("cwd")).is_ok_and(|cwd| cwd.starts_with(root));
        if told || there {
            // One that is gone by now is what was wanted.
            let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL);
        }
    }
}

/// A release of the service `web`, with these keys of its specification changed.
pub(crate) fn release(changes: &serde_json::Value) -> Release {
    let mut spec = serde_json::json!({
        "kind": "worker", "run": "exec sleep 300", "build": null, "dependencies": "none", "output": null,
        "test": [],
        "health": { "path": null, "status": [200, 399], "interval": 1000, "timeout": 1000,
            "start_period": 15000, "stable": 50 },
        "replicas": 1, "stop": { "signal": "TERM", "grace": 1000 }, "backoff": { "first": 100, "max": 1000 },
        "volumes": {}, "env": {}, "secrets": [],
        "limits": { "memory": null, "files": null, "log_size": null, "log_files": null },
        "route": null, "strategy": "blue-green", "keep": 2, "drain": 1000
    });
    for (key, value) in changes.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let spec: landfall_model::Spec = serde_json::from_value(spec).unwrap();
    Release {
        id: ReleaseId::new("web".parse().unwrap(), "1.0.0-20260101000001".parse().unwrap()),
        app: "a".parse().unwrap(),
        environment: "dev".parse().unwrap(),
        artifact: landfall_model::Digest::of(b"x"),
        config: Release::config_digest(&spec),
        secrets: std::collections::BTreeMap::new(),
        schema: None,
        spec,
        created: landfall_model::Timestamp::from_millis(0),
        origin: None,
    }
}

/// A release of this version, as it is otherwise.
pub(crate) fn release_of(version: &str) -> Release {
    let release = release(&serde_json::json!({}));
    Release { id: ReleaseId::new(release.service().clone(), version.parse().unwrap()), ..release }
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

fn is_there(pid: u32) -> bool {
    !landfall_shim::evidence::processes(pid).is_empty()
}

#[track_caller]
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < LIMIT, "{what}: not after {LIMIT:?}");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_instance_that_is_still_stopping_is_started_again() {
    let slow = "trap 'sleep 0.4; exit' TERM; while :; do sleep 0.05; done";
    let world = World::new(&serde_json::json!({ "run": slow, "stop": { "signal": "TERM", "grace": 5000 } }));
    world.start();
    let folder = world.folder_of(0);
    let (first, _) = world.processes(0);
    // As an agent that was killed in the middle of a `stop` leaves it.
    Handle::connect(&folder).unwrap().stop().unwrap();
    wait_until("it stops", || {
        Handle::connect(&folder).is_ok_and(|handle| handle.report().state == InstanceState::Stopping)
    });
    world.start();
    let (second, _) = world.processes(0);
    assert!(!is_there(first) && is_there(second));
}

#[test]
fn a_supervisor_that_comes_after_the_stop_starts_nothing() {
    for _ in 0..5 {
        let world = World::new(&serde_json::json!({}));
        world.host.start(&world.release, u32::MAX, &Silent).unwrap();
        world.host.stop(&world.release).unwrap();
        sleep(Duration::from_millis(300));
        assert!(!is_alive(&world.folder_of(0)), "a supervisor that nobody knows of");
        assert!(!world.host.is_running(&world.release).unwrap());
    }
}

#[test]
fn an_instance_is_stopped_whose_supervisor_hangs() {
    let world = World::new(&serde_json::json!({}));
    world.start();
    let (pid, shim) = world.processes(0);
    signal(shim, Signal::STOP);
    world.host.stop(&world.release).unwrap();
    assert!(!is_there(pid) && !is_alive(&world.folder_of(0)));
}

#[test]
fn an_instance_is_stopped_whose_supervisor_was_killed() {
    let world = World::new(&serde_json::json!({ "secrets": ["KEY"] }));
    let secrets = world.host.dir().secrets(&world.release);
    landfall_shim::write_secrets(&secrets, &[("KEY".to_owned(), "v".repeat(12))].into()).unwrap();
    world.start();
    let (pid, shim) = world.processes(0);
    signal(shim, Signal::KILL);
    wait_until("the supervisor is gone", || !is_alive(&world.folder_of(0)));
    // Nothing that is only needed to start it may keep it from being stopped.
    fs::remove_file(secrets).unwrap();
    world.host.stop(&world.release).unwrap();
    assert!(!is_there(pid));
}

#[test]
fn an_instance_that_was_ended_from_outside_is_started_and_waited_for() {
    let world = World::new(&serde_json::json!({}));
    world.start();
    let (pid, shim) = world.processes(0);
    signal(shim, Signal::KILL);
    signal(pid, Signal::KILL);
    wait_until("all is gone", || !is_alive(&world.folder_of(0)) && !is_there(pid));
    world.start();
    assert!(is_there(world.processes(0).0));
}

#[test]
fn the_first_of_several_that_ends_is_reported_at_once() {
    let second = release(&serde_json::json!({ "replicas": 2 })).instances().remove(1);
    let run = format!("[ $LANDFALL_INSTANCE != {second} ] || exit 7; exec sleep 300");
    let world = World::new(&serde_json::json!({ "kind": "web", "replicas": 2, "run": run }));
    let begun = Instant::now();
    world.host.start(&world.release, u32::MAX, &Silent).unwrap();
    let fault = world.host.await_healthy(&world.release, u32::MAX, &Silent).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let autopsy = fault.autopsy.unwrap();
    assert_eq!(autopsy.evidence.exit.and_then(|exit| exit.code), Some(7));
}

#[test]
fn an_instance_that_keeps_quiet_does_not_hide_another_ones_end() {
    // The first accepts and never answers; a health check of it takes all its time.
    let second = release(&serde_json::json!({ "replicas": 2 })).instances().remove(1);
    let deaf = "import os, socket, time; s = socket.create_server(('127.0.0.1', int(os.environ['PORT']))); time.sleep(300)";
    let run =
        format!("[ $LANDFALL_INSTANCE != {second} ] || {{ sleep 0.5; exit 7; }}; exec python3 -c \"{deaf}\"");
    let health = serde_json::json!({ "path": "/", "status": [200, 399], "interval": 1000, "timeout": 12000,
        "start_period": 15000, "stable": 50 });
    let world =
        World::new(&serde_json::json!({ "kind": "web", "replicas": 2, "run": run, "health": health }));
    let begun = Instant::now();
    world.host.start(&world.release, u32::MAX, &Silent).unwrap();
    let fault = world.host.await_healthy(&world.release, u32::MAX, &Silent).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(fault.message.contains("ended before it was healthy"), "{}", fault.message);
}

#[test]
fn an_address_that_somebody_took_meanwhile_is_given_up() {
    let run = "exec python3 -m http.server $PORT --bind $HOST";
    let world = World::new(&serde_json::json!({ "kind": "web", "run": run }));
    world.start();
    let row = |world: &World| world.host.state().instances_of(&world.release).unwrap().remove(0);
    let before = row(&world);
    let address = before.address.clone().unwrap();
    world.host.stop(&world.release).unwrap();
    let stranger = TcpListener::bind(&address).unwrap();
    // As it is after a restart of the machine.
    world.host.state().add_instances(std::slice::from_ref(&before)).unwrap();
    world.start();
    assert_ne!(row(&world).address, before.address);
    drop(stranger);
    let settled = row(&world);
    world.start();
    assert_eq!(row(&world), settled, "what runs keeps its address");
}

#[test]
fn what_runs_is_not_removed() {
    let world = World::new(&serde_json::json!({}));
    world.start();
    world.host.discard(&world.release).unwrap_err();
    assert!(world.host.dir().release(&world.release).is_dir());
    assert!(is_there(world.processes(0).0));
}
