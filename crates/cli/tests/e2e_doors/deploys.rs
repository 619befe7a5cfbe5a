//! Whole deploys: what is lost, what is cut, what comes back.

use std::time::Duration;

use landfall_fx::{Clock as _, SystemClock};
use landfall_model::Outcome;
use landfall_model::api::StatusView;
use landfall_testkit::load::{Load, LoadPlan};
use landfall_testkit::streams::{StreamPlan, Streams};
use landfall_testkit::wait::wait_until;

use crate::world::{Door, SOON, World};

fn load(world: &World, rate: u32) -> Load {
    Load::start(LoadPlan::new(&world.listen, "echo.localhost", rate))
}

/// Deploys three times under a load.
fn again_and_again(door: Door, strategy: &str) {
    let lines = format!("strategy = \"{strategy}\"\nhealth = \"/healthz\"");
    let world = World::deployed(door, &lines);
    let load = load(&world, 150);
    for turn in ["two", "three", "four"] {
        world.says(turn);
        let receipt = world.deploy();
        assert_eq!(receipt.outcome, Outcome::Done);
        assert_eq!(world.version(), turn);
        let version = receipt.version.to_string();
        let served = receipt.served.as_ref().expect("a request was sent through the front door");
        assert_eq!((served.status, &served.version), (200, &version));
        let traffic: Vec<_> = receipt.traffic.iter().map(|(v, s)| (v.as_str(), *s)).collect();
        assert_eq!(traffic, [(version.as_str(), 100)]);
        assert_eq!(receipt.requests.failed, 0, "{receipt:?}");
        assert!(receipt.requests.served > 0 && receipt.requests.p50_ms.is_some(), "{receipt:?}");
        let pause = (receipt.requests.held > 0, receipt.downtime.measured_ms > 0);
        assert_eq!(pause, (strategy == "restart", strategy == "restart"), "{receipt:?}");
    }
    let _ = load.stop().lost_nothing();
}

pub(crate) fn restart_holds_requests_and_loses_none(door: Door) {
    again_and_again(door, "restart");
}

pub(crate) fn blue_green_pauses_nobody_and_loses_none(door: Door) {
    again_and_again(door, "blue-green");
}

pub(crate) fn streams_outlive_a_deploy(door: Door) {
    let world = World::deployed(door, "health = \"/healthz\"\ndrain = \"60s\"");
    let streams = Streams::start(StreamPlan::new(&world.listen, "echo.localhost", 3, 3));
    wait_until("the streams are open", SOON, || streams.open() == 6);
    for turn in ["two", "three"] {
        world.says(turn);
        world.deploy();
        assert_eq!(world.version(), turn);
    }
    assert_eq!(streams.open(), 6);
    let report = streams.stop();
    assert!(report.cuts.is_empty(), "{report:?}");
}

pub(crate) fn a_restart_cuts_streams_at_the_deadline_and_makes_nobody_wait_for_them(door: Door) {
    const DRAIN: Duration = Duration::from_secs(8);
    let world = World::deployed(door, "strategy = \"restart\"\nhealth = \"/healthz\"\ndrain = \"8s\"");
    let streams = Streams::start(StreamPlan::new(&world.listen, "echo.localhost", 2, 2));
    wait_until("the streams are open", SOON, || streams.open() == 4);
    let load = load(&world, 50);
    let begun = SystemClock::new().now();
    world.says("two");
    let receipt = world.deploy();
    assert_eq!(world.version(), "two");
    wait_until("the streams are open again", SOON, || streams.open() == 4);
    let report = streams.stop();
    assert_eq!(report.cut, 4, "{report}");
    assert!(report.cuts.iter().all(|cut| cut.at.since(begun) >= DRAIN), "begun at {begun}: {report}");
    // Had they waited for the streams, some would have waited for as long.
    let report = load.stop().lost_nothing();
    assert!(report.longest_gap < DRAIN * 3 / 4, "{report}");
    assert!(receipt.downtime.measured_ms < 6_000 && receipt.requests.held > 0, "{receipt:?}");
}

pub(crate) fn a_restart_goes_on_when_the_last_stream_ends(door: Door) {
    let world = World::deployed(door, "strategy = \"restart\"\nhealth = \"/healthz\"\ndrain = \"10m\"");
    let streams = Streams::start(StreamPlan::new(&world.listen, "echo.localhost", 1, 1));
    wait_until("the streams are open", SOON, || streams.open() == 2);
    world.says("two");
    let mut running = world.sandbox.spawn(&["deploy", "--json"]);
    running.wait_for_text("\"hold\"", SOON);
    assert_eq!(world.version(), "one", "requests go on");
    // A page that is opened meanwhile has its stream as well.
    let late = Streams::start(StreamPlan::new(&world.listen, "echo.localhost", 1, 0));
    wait_until("a later stream is open", SOON, || late.open() == 1);
    let report = streams.stop();
    assert_eq!((report.cut, world.version().as_str()), (0, "one"), "{report}");
    assert!(!running.has_ended(), "{}", running.so_far());
    let report = late.stop();
    assert_eq!(report.cut, 0, "{report}");
    let _ = running.wait(SOON).ok();
    assert_eq!(world.version(), "two");
}

pub(crate) fn who_waits_for_streams_can_be_stopped(door: Door) {
    let world = World::deployed(door, "strategy = \"restart\"\nhealth = \"/healthz\"\ndrain = \"10m\"");
    let streams = Streams::start(StreamPlan::new(&world.listen, "echo.localhost", 1, 0));
    wait_until("the stream is open", SOON, || streams.open() == 1);
    let waiting = || {
        let running = world.sandbox.spawn(&["deploy", "--json"]);
        wait_until("it waits for the stream", SOON, || {
            let status = world.sandbox.run(&["status", "--json"]).ok().stdout;
            let status: StatusView = serde_json::from_str(&status).expect("a status");
            status.observed.open.is_some_and(|open| open.doing.contains("hold"))
        });
        running
    };
    // A deploy that is no canary can be aborted too, as long as it takes anything back.
    world.says("two");
    let running = waiting();
    world.sandbox.run(&["promote"]).code(3).says("no canary");
    world.sandbox.run(&["abort"]).ok();
    let ran = running.wait(SOON).code(4);
    assert!(ran.fault().message.starts_with("it was aborted by hand"), "{ran}");
    world.sandbox.run(&["abort"]).code(3).says("landfall rollback");
    // One that was interrupted stays open, and is aborted as well.
    world.says("three");
    let running = waiting();
    running.signal(rustix::process::Signal::INT);
    let _ = running.wait(SOON).code(130);
    assert_eq!(world.version(), "one", "nothing is held");
    world.sandbox.run(&["abort"]).ok();
    assert_eq!((world.version().as_str(), streams.open()), ("one", 1));
    let report = streams.stop();
    assert_eq!(report.cut, 0, "{report}");
}

pub(crate) fn a_bad_release_changes_nothing(door: Door) {
    let world = World::deployed(door, "health = { path = \"/healthz\", start_period = \"2s\" }");
    let load = load(&world, 50);
    world.sandbox.write("echo.py", "raise SystemExit(\"no\")\n");
    let _ = world.sandbox.run(&["deploy"]).code(4);
    assert_eq!(world.version(), "one");
    let _ = load.stop().lost_nothing();
}

pub(crate) fn a_rollback_and_a_down(door: Door) {
    let world = World::deployed(door, "health = \"/healthz\"");
    world.says("two");
    world.deploy();
    let load = load(&world, 50);
    world.sandbox.run(&["rollback", "--yes"]).ok();
    assert_eq!(world.version(), "one");
    let _ = load.stop().lost_nothing();
    world.sandbox.run(&["down", "--yes"]).ok();
    let gone = landfall_testkit::ask::ask(&world.listen, "echo.localhost", "/");
    assert!(gone.as_ref().map_or(true, |answer| answer.status == 404), "{gone:?}");
}

pub(crate) fn a_door_that_is_killed_comes_back_with_its_routes(door: Door) {
    let world = World::deployed(door, "health = \"/healthz\"");
    world.says("two");
    world.deploy();
    let killed = world.kill_door();
    wait_until("the door is back", SOON, || {
        door.process(&world.sandbox).is_some_and(|now| now.pid != killed)
            && landfall_testkit::ask::ask(&world.listen, "echo.localhost", "/")
                .is_ok_and(|answer| answer.body.starts_with("two"))
    });
    world.says("three");
    world.deploy();
    assert_eq!(world.version(), "three");
}

pub(crate) fn an_agent_that_is_killed_while_requests_wait_loses_none(door: Door) {
    let lines = "strategy = \"restart\"\nhealth = \"/healthz\"";
    let world = World::deployed(door, lines);
    let load = load(&world, 50);
    // The new release takes its time, so that the agent dies while requests wait.
    world.says("two");
    let slow = std::fs::read_to_string(world.sandbox.project().join("echo.py")).unwrap();
    world.sandbox.write("echo.py", &slow.replace("class Server", "time.sleep(1.5)\nclass Server"));
    let running = world.sandbox.spawn(&["deploy"]);
    wait_until("requests wait", SOON, || {
        let status = world.sandbox.run(&["status", "--json"]);
        status.stdout.contains("\"held_now\": ") && !status.stdout.contains("\"held_now\": 0")
            || status.stdout.contains("\"held_now\":") && !status.stdout.contains("\"held_now\":0")
    });
    assert!(world.sandbox.kill_agent());
    let _ = running.wait(Duration::from_secs(60));
    let _ = world.sandbox.run(&["resume"]);
    assert_eq!(world.version(), "two");
    let _ = load.stop().lost_nothing();
}

pub(crate) fn an_instance_that_dies_is_not_noticed(door: Door) {
    let world = World::deployed(door, "replicas = 2\nhealth = { path = \"/healthz\", interval = \"200ms\" }");
    let load = load(&world, 50);
    wait_until("the load runs", SOON, || load.elapsed() > Duration::from_millis(300));
    let process = world
        .sandbox
        .processes()
        .into_iter()
        .find(|process| process.arguments.iter().any(|argument| argument == "echo.py"))
        .expect("an instance");
    landfall_testkit::sandbox::signal(process.pid, rustix::process::Signal::KILL);
    wait_until("two more seconds are over", SOON, || load.elapsed() > Duration::from_millis(2300));
    let report = load.stop();
    // A request that was in the instance's hands when it died is lost with it; no other is.
    assert!(report.failures.len() <= 2, "{report}");
}

pub(crate) fn a_rolling_release_loses_nothing(door: Door) {
    let world = World::deployed(door, "strategy = \"rolling\"\nreplicas = 3\nhealth = \"/healthz\"");
    let load = load(&world, 100);
    for turn in ["two", "three"] {
        world.says(turn);
        let receipt = world.deploy();
        assert_eq!(receipt.instances.len(), 3, "{receipt:?}");
        assert_eq!(world.version(), turn);
    }
    let _ = load.stop().lost_nothing();
}

pub(crate) fn a_canary_that_is_as_good_is_promoted(door: Door) {
    let lines = "strategy = { kind = \"canary\", steps = [25, 50], hold = \"1s\", requests = 20 }\nhealth = \"/healthz\"";
    let world = World::deployed(door, lines);
    let load = load(&world, 150);
    world.says("two");
    let receipt = world.deploy();
    assert_eq!(receipt.outcome, Outcome::Done);
    assert_eq!(world.version(), "two");
    let report = load.stop().lost_nothing();
    assert_eq!(report.answers.len(), 2, "{report}");
}

pub(crate) fn a_canary_that_fails_is_taken_back(door: Door) {
    let lines = "strategy = { kind = \"canary\", steps = [25, 50], hold = \"2s\", requests = 20 }\nhealth = \"/healthz\"";
    let world = World::deployed(door, lines);
    let load = load(&world, 150);
    let fails = include_str!("echo.py")
        .replace("VERSION = \"one\"", "VERSION = \"two\"\nimport random")
        .replace("        fields = ", "        if path == \"/\" and random.random() < 0.5:\n            return self.say(\"no\", 500)\n        fields = ");
    world.sandbox.write("echo.py", &fails);
    let _ = world.sandbox.run(&["deploy"]).code(4);
    assert_eq!(world.version(), "one");
    let report = load.stop();
    assert!(report.answers.len() >= 2, "nobody saw the new release: {report}");
}
