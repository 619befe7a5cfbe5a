//! Real instances under a real shim: they start, stop, end, and are started again.
use std::time::{Duration, Instant};

use crate::instance::{Instance, eventually, in_state, pause, reported};
use landfall_model::{Backoff, Command, InstanceState, Millis};
use landfall_shim::{Handle, evidence, is_alive, last_report};

#[test]
fn an_instance_runs_and_stops_when_asked() {
    let mut instance =
        Instance::script("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done");
    assert!(!is_alive(instance.folder()));
    let mut handle = instance.start();
    let report = in_state(&mut handle, InstanceState::Booting);
    instance.printed("up");
    let pid = report.pid.unwrap();
    let environment = evidence::environ_of(pid).unwrap();
    let names: Vec<&str> = environment.keys().map(String::as_str).collect();
    assert_eq!(names, ["GIVEN", "PATH"]);
    assert_eq!(evidence::folder_of(pid), Some(instance.order.folder.canonicalize().unwrap()));
    assert!(is_alive(instance.folder()));
    handle.stop().unwrap();
    assert_eq!(in_state(&mut handle, InstanceState::Stopping).pid, Some(pid));
    let report = in_state(&mut handle, InstanceState::Stopped);
    assert!(instance.wait());
    assert_eq!((report.pid, report.restarts, report.last_exit.clone().unwrap().code), (None, 0, Some(0)));
    assert_eq!(last_report(instance.folder()).unwrap(), Some(report));
    assert_eq!(instance.lines(), ["up", "bye"]);
    assert!(!is_alive(instance.folder()));
    assert!(evidence::processes(pid).is_empty());
    assert!(Handle::connect(instance.folder()).is_err());
    let mut handle = instance.start();
    assert_eq!(in_state(&mut handle, InstanceState::Booting).restarts, 0);
}

#[test]
fn what_ignores_the_signal_is_killed_after_the_grace_with_all_its_processes() {
    let mut instance = Instance::new(
        "trap '' TERM; sh -c 'trap \"\" TERM; while :; do sleep 1; done' & setsid sh -c 'echo $$ > away; exec sleep 60' & echo up; wait; wait",
    );
    instance.order.stop.grace = Millis(300);
    let mut handle = instance.start();
    instance.printed("up");
    let away = instance.order.folder.join("away");
    eventually("the one that went away", || {
        std::fs::read_to_string(&away).is_ok_and(|text| text.ends_with('\n'))
    });
    let away: u32 = std::fs::read_to_string(away).unwrap().trim().parse().unwrap();
    let pid = handle.report().pid.unwrap();
    assert!(evidence::processes(pid).len() >= 3);
    let begun = Instant::now();
    handle.stop().unwrap();
    let report = in_state(&mut handle, InstanceState::Stopped);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(report.last_exit.unwrap().signal.as_deref(), Some("KILL"));
    assert!(evidence::processes(pid).is_empty());
    assert!(evidence::processes(away).is_empty(), "the one in a session of its own");
}

#[test]
fn a_crash_at_boot_is_known_at_once_with_its_last_words() {
    let mut instance = Instance::new("read -r line < go; echo 'last words' >&2; printf unfinished; exit 3");
    instance.order.backoff.first = Millis(60_000);
    let go = instance.order.folder.join("go");
    assert!(std::process::Command::new("mkfifo").arg(&go).status().unwrap().success());
    let mut handle = instance.start();
    in_state(&mut handle, InstanceState::Booting);
    std::fs::write(&go, "\n").unwrap();
    let report = in_state(&mut handle, InstanceState::BackingOff);
    let mut lines = instance.lines();
    lines.sort();
    assert_eq!(lines, ["last words", "unfinished"], "printed before the end was told");
    assert_eq!((report.pid, report.restarts, report.last_exit.unwrap().code), (None, 1, Some(3)));
}

#[test]
fn restarts_back_off() {
    let mut instance = Instance::new("echo \"$(date +%s%3N)\"; exit 1");
    instance.order.backoff = Backoff { first: Millis(100), max: Millis(400) };
    let mut handle = instance.start();
    reported(&mut handle, |report| report.restarts >= 6);
    handle.stop().unwrap();
    in_state(&mut handle, InstanceState::Stopped);
    let starts: Vec<u64> = instance.lines().iter().map(|line| line.parse().unwrap()).collect();
    let waits: Vec<u64> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (wait, least) in waits.iter().zip([100, 200, 400, 400, 400]) {
        assert!(*wait >= least - 5, "{waits:?}");
    }
}

#[test]
fn what_a_dead_instance_left_is_gone_before_the_next_one_starts() {
    let mut instance = Instance::new("echo $$; sleep 95.43 & sleep 0.1; kill -KILL $$");
    let mut handle = instance.start();
    reported(&mut handle, |report| report.restarts >= 3);
    let leaders: Vec<u32> = instance.lines().iter().map(|line| line.parse().unwrap()).collect();
    assert!(evidence::processes(leaders[0]).is_empty() && evidence::processes(leaders[1]).is_empty());
    assert_eq!(handle.report().last_exit.as_ref().unwrap().signal.as_deref(), Some("KILL"));
    assert!(!handle.report().last_exit.as_ref().unwrap().oom);
}

#[test]
fn a_second_shim_in_a_folder_ends_at_once_and_changes_nothing() {
    let mut instance = Instance::new("sleep 60");
    let mut handle = instance.start();
    let report = in_state(&mut handle, InstanceState::Booting);
    instance.order.command = Command::Line("echo another".to_owned());
    assert_eq!(instance.start().report(), &report);
    assert!(instance.wait());
    assert_eq!(
        landfall_shim::Order::read(instance.folder()).unwrap().command,
        Command::Line("sleep 60".to_owned())
    );
    assert_eq!(handle.next(Duration::from_millis(50)).unwrap(), None);
    handle.stop().unwrap();
    in_state(&mut handle, InstanceState::Stopped);
}

#[test]
fn signals_reach_the_main_process_and_the_shim_stops_by_signal_too() {
    let mut instance = Instance::new(
        "trap 'echo got usr1' USR1; trap 'echo got hup' HUP; echo up; while :; do sleep 0.05; done",
    );
    let mut handle = instance.start();
    instance.printed("up");
    handle.signal("USR1").unwrap();
    handle.signal("NONSENSE").unwrap();
    instance.printed("got usr1");
    let shim = handle.report().shim_pid.to_string();
    let kill = |signal: &str| {
        assert!(std::process::Command::new("kill").args([signal, &shim]).status().unwrap().success());
    };
    kill("-HUP");
    pause(100);
    assert!(is_alive(instance.folder()), "HUP is nothing to a shim");
    kill("-TERM");
    in_state(&mut handle, InstanceState::Stopped);
    assert!(instance.wait());
    assert!(!instance.lines().contains(&"got hup".to_owned()));
}

#[test]
fn a_program_that_is_not_there_is_told_as_a_shell_would() {
    let mut instance = Instance::new("");
    instance.order.command = Command::Words(vec!["no-such-program".to_owned(), "$(id)".to_owned()]);
    let mut handle = instance.start();
    let report = in_state(&mut handle, InstanceState::BackingOff);
    assert_eq!(report.last_exit.unwrap().code, Some(127));
    instance.printed("landfall: no-such-program: not found");
}

#[test]
fn limits_on_open_files_hold() {
    let mut instance = Instance::new("ulimit -Sn; ulimit -Hn; sleep 60");
    instance.order.limits.files = Some(321);
    let _handle = instance.start();
    eventually("both limits", || instance.lines() == ["321", "321"]);
}

#[test]
fn secrets_are_read_at_each_start_and_never_written() {
    let mut instance = Instance::new("echo \"the token is $TOKEN\"; env | base64 -w0; exit 1");
    let memory = tempfile::tempdir().unwrap();
    let file = memory.path().join("secrets");
    instance.order.secrets = Some(file.clone());
    let values = |value: &str| [("TOKEN".to_owned(), value.to_owned())].into();
    landfall_shim::write_secrets(&file, &values("correct-horse-1")).unwrap();
    let mut handle = instance.start();
    reported(&mut handle, |report| report.restarts >= 1);
    landfall_shim::write_secrets(&file, &values("battery-staple-2")).unwrap();
    let seen = handle.report().restarts;
    reported(&mut handle, |report| report.restarts >= seen + 2);
    std::fs::remove_file(&file).unwrap();
    eventually("a line about the secrets", || {
        instance.lines().iter().any(|line| line.contains("secrets cannot be read"))
    });
    handle.stop().unwrap();
    in_state(&mut handle, InstanceState::Stopped);
    instance.printed("the token is [TOKEN]");
    let grep = |value: &str| {
        std::process::Command::new("grep")
            .args(["-rFq", value])
            .arg(instance.folder())
            .status()
            .unwrap()
            .code()
    };
    assert_eq!([grep("correct-horse"), grep("battery-staple"), grep("[TOKEN]")], [Some(1), Some(1), Some(0)]);
}

#[test]
fn a_daemon_that_left_session_and_parent_is_still_ended() {
    // The main process ends and leaves one behind that nothing but its ancestry ties to it.
    let mut instance = Instance::new("setsid sh -c 'echo $$; exec sleep 93.21' & sleep 0.3; exit 0");
    instance.order.backoff.first = Millis(60_000);
    let mut handle = instance.start();
    eventually("a daemon", || instance.lines().len() == 1);
    let daemon: u32 = instance.lines()[0].parse().unwrap();
    assert_eq!(evidence::processes(daemon), [daemon]);
    let report = in_state(&mut handle, InstanceState::BackingOff);
    assert_eq!(report.last_exit.unwrap().code, Some(0));
    eventually("its end", || evidence::processes(daemon).is_empty());
}
