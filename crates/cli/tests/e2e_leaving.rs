//! Old instances on their way out: kept warm for an instant rollback, drained while requests are under way, told to end with
//! all the grace they ask for; nobody waits for them, and an agent that is killed changes nothing.

use std::time::{Duration, Instant};

use landfall_model::LeavingPhase;
use landfall_model::api::StatusView;
use landfall_testkit::app::Tiny;
use landfall_testkit::ask::ask;
use landfall_testkit::sandbox::{Sandbox, free_address};
use landfall_testkit::wait::wait_until;

/// How long the background may take.
const SETTLED: Duration = Duration::from_secs(180);

fn deployed(strategy: &str, keys: &[&str]) -> (Sandbox, Tiny) {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    let tiny = Tiny::new("tiny", &free_address(), "blue-green");
    let tiny = keys.iter().fold(tiny, |tiny, key| tiny.key(key));
    write(&sandbox, &tiny, strategy);
    sandbox.run(&["deploy"]).ok();
    (sandbox, tiny)
}

/// Writes the application; what it is asked at `/hold` it answers after five seconds, and writes down that it was asked.
fn write(sandbox: &Sandbox, tiny: &Tiny, strategy: &str) {
    sandbox.write_tiny(tiny);
    sandbox.edit("landfall.toml", r#"strategy = "blue-green""#, &format!("strategy = {strategy}"));
    let hold = format!(
        "    if path == \"/hold\": open({:?}, \"a\").write(VERSION + \" \"); time.sleep(5)\n    return 200, VERSION",
        sandbox.root().join("asked")
    );
    sandbox.edit("tiny.py", "    return 200, VERSION", &hold);
}

fn says(tiny: &Tiny) -> String {
    ask(&tiny.listen, &tiny.host(), "/").expect("an answer").body.trim_end().to_owned()
}

fn status(sandbox: &Sandbox) -> StatusView {
    let ran = sandbox.run(&["status", "--json"]).ok();
    serde_json::from_str(&ran.stdout).expect("a status")
}

/// Process and phase of each instance, by age of the release.
fn instances(sandbox: &Sandbox) -> Vec<(Option<u32>, Option<LeavingPhase>)> {
    let status = status(sandbox);
    let all = status.observed.services.into_values().flat_map(|service| service.instances);
    let mut all: Vec<_> = all.collect();
    all.sort_by(|a, b| a.release.cmp(&b.release));
    all.into_iter().map(|instance| (instance.pid, instance.leaving.map(|leaving| leaving.phase))).collect()
}

#[test]
fn a_warm_release_serves_again_at_once() {
    let warm = r#"{ kind = "blue-green", warm = "10m" }"#;
    let (sandbox, tiny) = deployed(warm, &["replicas = 2"]);
    let before = instances(&sandbox);
    write(&sandbox, &tiny.clone().says("two"), warm);
    sandbox.run(&["deploy"]).ok();
    assert!(sandbox.kill_agent());
    let between = instances(&sandbox);
    let warm: Vec<_> = between.iter().filter(|(_, phase)| *phase == Some(LeavingPhase::Warm)).collect();
    assert_eq!((between.len(), warm.len()), (4, 2), "{between:?}");
    let receipt = sandbox.run(&["rollback", "--json"]).ok().receipt();
    assert_eq!(says(&tiny), "one");
    let pids: Vec<Option<u32>> = receipt.instances.iter().map(|instance| instance.pid).collect();
    let old: Vec<Option<u32>> = before.iter().map(|(pid, _)| *pid).collect();
    assert_eq!(pids, old, "they are the same processes");
    let after = instances(&sandbox);
    assert_eq!(after.iter().filter(|(_, phase)| *phase == Some(LeavingPhase::Warm)).count(), 2, "{after:?}");
}

#[test]
fn what_was_warm_for_long_enough_goes() {
    let warm = r#"{ kind = "blue-green", warm = "2s" }"#;
    let (sandbox, tiny) = deployed(warm, &[]);
    write(&sandbox, &tiny.clone().says("two"), warm);
    sandbox.run(&["deploy"]).ok();
    wait_until("the old instance is gone", SETTLED, || instances(&sandbox).len() == 1);
    sandbox.run(&["rollback"]).ok();
    assert_eq!(says(&tiny), "one");
}

#[test]
fn several_old_releases_finish_their_requests_while_newer_ones_come() {
    let (sandbox, tiny) = deployed(r#""blue-green""#, &[r#"drain = "30s""#]);
    let hold = |tiny: &Tiny| {
        let (listen, host) = (tiny.listen.clone(), tiny.host());
        std::thread::spawn(move || ask(&listen, &host, "/hold").map(|answer| answer.body))
    };
    let mut held = vec![("one", hold(&tiny))];
    for says in ["two", "three"] {
        let asked = || std::fs::read_to_string(sandbox.root().join("asked")).unwrap_or_default();
        wait_until("it is under way", SETTLED, || asked().split_whitespace().count() == held.len());
        write(&sandbox, &tiny.clone().says(says), r#""blue-green""#);
        sandbox.run(&["deploy"]).ok();
        held.push((says, hold(&tiny)));
    }
    assert!(sandbox.kill_agent(), "the proxy goes on with them");
    assert_eq!(says(&tiny), "three");
    for (version, answer) in held {
        let body = answer.join().expect("no panic").expect("an answer");
        assert_eq!(body.trim_end(), version);
    }
    wait_until("one instance is left", SETTLED, || instances(&sandbox).len() == 1);
}

#[test]
fn what_is_taken_down_finishes_its_requests() {
    let (sandbox, tiny) = deployed(r#""blue-green""#, &[r#"drain = "60s""#]);
    let (listen, host) = (tiny.listen.clone(), tiny.host());
    let held = std::thread::spawn(move || ask(&listen, &host, "/hold").map(|answer| answer.body));
    let asked = sandbox.root().join("asked");
    wait_until("it is under way", SETTLED, || asked.exists());
    sandbox.run(&["down", "--yes"]).ok();
    let body = held.join().expect("no panic").expect("an answer");
    assert_eq!(body.trim_end(), "one");
}

#[test]
fn a_worker_has_its_grace_and_nobody_waits() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    let done = sandbox.root().join("done");
    let program = |turn: u32| {
        format!(
            "import os, signal, time\ndef finish(*_):\n    time.sleep(8)\n    open({:?}, 'a').write('{turn}')\n    os._exit(0)\n\
             signal.signal(signal.SIGTERM, finish)\nwhile True:\n    time.sleep(1)\n",
            done.display().to_string()
        )
    };
    sandbox.write(
        "landfall.toml",
        "name = \"tiny\"\nversion = \"1.0.0\"\n\n[service.work]\nkind = \"worker\"\n\
         run = [\"python3\", \"-S\", \"-E\", \"work.py\"]\nstop = { grace = \"12h\" }\nstrategy = \"rolling\"\n\
         replicas = 2\n",
    );
    sandbox.write("work.py", &program(1));
    sandbox.run(&["deploy"]).ok();
    sandbox.write("work.py", &program(2));
    let begun = Instant::now();
    sandbox.run(&["deploy"]).ok();
    let took = begun.elapsed();
    assert!(!done.exists(), "the deploy waited {took:?} for the work that was under way");
    let now = instances(&sandbox);
    assert!(now.iter().any(|(_, phase)| *phase == Some(LeavingPhase::Stopping)), "{now:?}");
    assert!(sandbox.kill_agent());
    wait_until("the old workers are gone", SETTLED, || instances(&sandbox).len() == 2);
    assert_eq!(std::fs::read_to_string(&done).expect("the work was finished"), "11");
}
