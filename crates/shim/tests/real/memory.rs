//! The limit on memory, both ways: by a control group, and by looking.
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use crate::instance::{AS_SHIM, Instance, SHIM_FOLDER, eventually, in_state, reported};
use landfall_model::{InstanceState, Millis};

/// Takes 40 MB, then 30 MB more in a process of its own, and holds it.
const HUNGRY: &str = "exec python3 -S -c '
import os, time
a = bytearray(os.urandom(40_000_000)); print(\"forty\", flush=True)
if os.fork() == 0:
    b = bytearray(os.urandom(MORE)); print(\"more\", flush=True)
time.sleep(60)'";

const LIMIT: u64 = 80 * 1024 * 1024;

fn hungry(more: u64) -> Instance {
    let mut instance = Instance::new(&HUNGRY.replace("MORE", &more.to_string()));
    instance.order.env.insert("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned());
    instance.order.limits.memory = Some(LIMIT);
    instance.order.backoff.first = Millis(60_000);
    instance
}

/// The control group of an instance, if the shim could make one.
fn cgroup_of(folder: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(folder.join("report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    report["cgroup"].as_str().map(PathBuf::from)
}

#[test]
fn a_control_group_limits_memory_and_is_taken_away() {
    let mut instance =
        Instance::new("read -r line < go; exec python3 -S -c 'import os; os.urandom(200_000_000)'");
    instance.order.limits.memory = Some(LIMIT);
    instance.order.backoff.first = Millis(60_000);
    let go = instance.order.folder.join("go");
    assert!(Process::new("mkfifo").arg(&go).status().unwrap().success());
    let mut handle = instance.start();
    let pid = in_state(&mut handle, InstanceState::Booting).pid.unwrap();
    let Some(cgroup) = cgroup_of(instance.folder()) else {
        println!("SKIPPED: this user may not make control groups here");
        return;
    };
    let members = std::fs::read_to_string(cgroup.join("cgroup.procs")).unwrap();
    assert!(members.lines().any(|line| line == pid.to_string()), "{members}");
    instance.kill_shim();
    let mut handle = instance.start();
    assert_eq!(cgroup_of(instance.folder()), Some(cgroup.clone()), "the next shim knows it");
    std::fs::write(&go, "\n").unwrap();
    let report = in_state(&mut handle, InstanceState::BackingOff);
    let exit = report.last_exit.unwrap();
    assert!(exit.oom, "{exit:?}");
    handle.stop().unwrap();
    in_state(&mut handle, InstanceState::Stopped);
    assert!(instance.wait());
    assert!(!cgroup.exists());
}

#[test]
fn a_kill_that_has_nothing_to_do_with_memory_is_not_taken_for_it() {
    let mut instance = Instance::new("sleep 0.2; kill -KILL $$");
    instance.order.limits.memory = Some(LIMIT);
    let mut handle = instance.start();
    let report = in_state(&mut handle, InstanceState::BackingOff);
    assert!(!report.last_exit.unwrap().oom);
}

#[test]
fn without_a_control_group_memory_is_watched() {
    let mut instance = hungry(60_000_000);
    // As a user who may make no control group; for everybody else it is so anyway.
    let user = rustix::process::getuid().is_root().then_some(65534);
    // The test program may lie where that user may not look.
    let program = instance.folder().join("copy");
    let exe = std::env::current_exe().unwrap();
    // Copied by another process: one of ours that is being forked meanwhile would hold it open for writing.
    assert!(Process::new("cp").args([&exe, &program]).status().unwrap().success());
    instance.order.write(instance.folder()).unwrap();
    let mut shim = Process::new(&program);
    shim.args(AS_SHIM).env(SHIM_FOLDER, instance.folder()).stdout(Stdio::null());
    if let Some(user) = user {
        let owned = Process::new("chown").arg("-Rh").arg(user.to_string()).arg(instance.folder()).status();
        assert!(owned.unwrap().success());
        shim.uid(user);
        // What root's python is made of may be closed to others.
        instance.order.env.insert("PATH".to_owned(), "/usr/bin:/bin".to_owned());
        instance.order.write(instance.folder()).unwrap();
        std::fs::set_permissions(
            instance.folder().join("order.json"),
            std::fs::Permissions::from_mode(0o644),
        )
        .unwrap();
    }
    let mut shim = shim.spawn().unwrap();
    let mut handle = instance.connect();
    reported(&mut handle, |report| report.state == InstanceState::Booting);
    if cgroup_of(instance.folder()).is_some() {
        println!("SKIPPED: every user may make control groups here");
    } else {
        let report = in_state(&mut handle, InstanceState::BackingOff);
        let exit = report.last_exit.unwrap();
        assert!(exit.oom, "{exit:?} {:?}", instance.lines());
        assert_eq!(exit.signal.as_deref(), Some("KILL"));
        assert!(instance.lines().contains(&"forty".to_owned()));
    }
    handle.stop().unwrap();
    in_state(&mut handle, InstanceState::Stopped);
    assert!(shim.wait().unwrap().success());
}

#[test]
fn an_instance_below_its_limit_is_left_alone() {
    let mut instance = hungry(1_000_000);
    let handle = instance.start();
    eventually("all of it", || instance.lines() == ["forty", "more"]);
    crate::instance::pause(600);
    assert_eq!(handle.report().restarts, 0);
    assert_eq!(instance.connect().report().state, InstanceState::Booting);
}
