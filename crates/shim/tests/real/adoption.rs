//! A shim is killed; its instance goes on, and the next shim finds it.
use crate::instance::{Instance, eventually, in_state, pause, reported};
use landfall_model::{InstanceState, Millis};
use landfall_shim::{evidence, is_alive, last_report};

/// Prints a number every 10 ms, and ends with 7 if it cannot.
const COUNTING: &str = "n=0; while :; do n=$((n+1)); echo $n || exit 7; sleep 0.01; done";

/// Whether the lines are 1, 2, 3 … without a gap, up to `least` at least.
fn counted(lines: &[String], least: usize) -> bool {
    let gap = lines.iter().enumerate().find(|(index, line)| **line != (index + 1).to_string());
    assert_eq!(gap, None);
    lines.len() >= least
}

#[test]
fn a_killed_shim_costs_its_instance_nothing_and_the_next_one_goes_on() {
    let mut instance = Instance::new(COUNTING);
    let mut handle = instance.start();
    let before = in_state(&mut handle, InstanceState::Booting);
    for round in 1..=3 {
        eventually("lines", || counted(&instance.lines(), round * 20));
        instance.kill_shim();
        assert!(!is_alive(instance.folder()));
        pause(150); // it prints with nobody to read
        handle = instance.start();
        let after = in_state(&mut handle, InstanceState::Booting);
        assert_eq!((after.pid, after.started, after.restarts), (before.pid, before.started, 0));
        assert_ne!(after.shim_pid, before.shim_pid);
    }
    eventually("lines", || counted(&instance.lines(), 100));
    handle.stop().unwrap();
    let report = in_state(&mut handle, InstanceState::Stopped);
    assert!(instance.wait());
    assert!(counted(&instance.lines(), 100));
    assert_eq!(report.last_exit.unwrap().code, None, "nobody could read it");
    assert!(evidence::processes(before.pid.unwrap()).is_empty());
}

#[test]
fn an_adopted_instance_that_ends_is_started_again() {
    let mut instance = Instance::new("echo up; sleep 60");
    let mut handle = instance.start();
    let first = in_state(&mut handle, InstanceState::Booting);
    instance.printed("up");
    instance.kill_shim();
    let mut handle = instance.start();
    let kill = ["-KILL", &first.pid.unwrap().to_string()];
    assert!(std::process::Command::new("kill").args(kill).status().unwrap().success());
    let second = reported(&mut handle, |report| report.pid.is_some_and(|pid| Some(pid) != first.pid));
    assert_eq!(second.restarts, 1);
    assert_eq!(second.last_exit.map(|exit| (exit.code, exit.signal)), Some((None, None)));
}

#[test]
fn an_instance_that_ended_while_no_shim_was_there_is_started_again_and_its_rest_is_gone() {
    let mut instance = Instance::new("echo $$; sleep 94.32 & read -r line < go");
    let go = instance.order.folder.join("go");
    assert!(std::process::Command::new("mkfifo").arg(&go).status().unwrap().success());
    let mut handle = instance.start();
    let first = in_state(&mut handle, InstanceState::Booting).pid.unwrap();
    eventually("two processes", || evidence::processes(first).len() >= 2);
    instance.kill_shim();
    std::fs::write(&go, "\n").unwrap();
    eventually("the rest alone", || evidence::processes(first).len() == 1);
    let mut handle = instance.start();
    let second = reported(&mut handle, |report| report.pid.is_some());
    assert_ne!(second.pid, Some(first));
    assert_eq!(second.restarts, 1);
    assert!(evidence::processes(first).is_empty());
}

#[test]
fn without_a_report_the_instance_is_found_by_its_pipes() {
    let mut instance = Instance::new(COUNTING);
    let pid = in_state(&mut instance.start(), InstanceState::Booting).pid;
    eventually("lines", || counted(&instance.lines(), 10));
    instance.kill_shim();
    std::fs::remove_file(instance.folder().join("report.json")).unwrap();
    let mut handle = instance.start();
    assert_eq!(in_state(&mut handle, InstanceState::Booting).pid, pid);
    let seen = instance.lines().len();
    eventually("more lines", || counted(&instance.lines(), seen + 10));
}

#[test]
fn a_shim_that_was_killed_while_it_waited_starts_the_instance() {
    let mut instance = Instance::new("echo up; exit 1");
    instance.order.backoff.first = Millis(60_000);
    let report = in_state(&mut instance.start(), InstanceState::BackingOff);
    assert_eq!(report.restarts, 1);
    instance.kill_shim();
    assert_eq!(last_report(instance.folder()).unwrap(), Some(report));
    let mut handle = instance.start();
    let report = reported(&mut handle, |report| report.restarts == 2);
    assert_eq!(report.state, InstanceState::BackingOff);
    assert_eq!(instance.lines(), ["up", "up"]);
}
