//! `canary` on real processes: a worse release is taken back by itself, an equal one is let through, a person may end it
//! either way, and an agent that is killed in the middle judges on when it is there again.

use std::path::PathBuf;
use std::time::Duration;

use landfall_model::api::StatusView;
use landfall_model::{FaultKind, Outcome, Strategy};
use landfall_testkit::app::Tiny;
use landfall_testkit::ask::ask;
use landfall_testkit::load::{Load, LoadPlan};
use landfall_testkit::sandbox::{LIMIT, Sandbox, free_address};
use landfall_testkit::wait::wait_until;

/// How long the background may take.
const SETTLED: Duration = Duration::from_secs(180);

/// Two short steps.
const SHORT: &str = r#"{ kind = "canary", steps = [10, 50], hold = "2s", requests = 50, patience = "60s" }"#;

/// One step that lasts until a person says something.
const LONG: &str = r#"{ kind = "canary", steps = [10, 50], hold = "10m", requests = 50, patience = "20m" }"#;

struct World {
    sandbox: Sandbox,
    tiny: Tiny,
    strategy: String,
}

impl World {
    /// `one` deployed with two instances.
    fn new(strategy: &str) -> Self {
        let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
        let tiny = Tiny::new("tiny", &free_address(), "canary").key("replicas = 2").key(r#"drain = "5s""#);
        let world = Self { sandbox, tiny, strategy: strategy.to_owned() };
        world.write("one");
        world.sandbox.run(&["deploy"]).ok();
        world
    }

    fn write(&self, says: &str) {
        self.sandbox.write_tiny(&self.tiny.clone().says(says));
        self.sandbox.edit(
            "landfall.toml",
            r#"strategy = "canary""#,
            &format!("strategy = {}", self.strategy),
        );
    }

    /// The next release, which does this with a request before it answers.
    fn write_worse(&self, says: &str, worse: &str) {
        self.write(says);
        self.sandbox.edit(
            "tiny.py",
            "    return 200, VERSION",
            &format!("    {worse}\n    return 200, VERSION"),
        );
    }

    /// Writes one that fails every request as soon as the file is there whose path this gives.
    fn write_worse_once(&self, says: &str) -> PathBuf {
        self.write_worse(says, r#"if os.path.exists("/tmp") and WORSE.exists(): return 500, "broken""#);
        let marker = self.sandbox.root().join("worse");
        let import =
            format!("import pathlib\nWORSE = pathlib.Path({:?})\nVERSION =", marker.display().to_string());
        self.sandbox.edit("tiny.py", "VERSION =", &import);
        marker
    }

    fn load(&self) -> Load {
        Load::start(LoadPlan::new(&self.tiny.listen, &self.tiny.host(), 200))
    }

    fn says(&self) -> String {
        ask(&self.tiny.listen, &self.tiny.host(), "/").expect("an answer").body.trim_end().to_owned()
    }

    fn status(&self) -> StatusView {
        let ran = self.sandbox.run(&["status", "--json"]).ok();
        serde_json::from_str(&ran.stdout).expect("a status")
    }

    fn settles(&self) {
        wait_until("two instances are left", SETTLED, || {
            let status = self.status();
            status.observed.services.values().map(|service| service.instances.len()).sum::<usize>() == 2
        });
    }

    /// Whether the new release gets a share and is judged.
    fn is_judging(&self) -> bool {
        self.status().observed.open.is_some_and(|open| open.doing.contains("judge"))
    }
}

#[test]
fn an_equal_release_is_let_through() {
    let world = World::new(SHORT);
    let load = world.load();
    world.write("two");
    let receipt = world.sandbox.run(&["deploy", "--json"]).ok().receipt();
    assert_eq!((receipt.strategy, receipt.promoted, receipt.judged.len()), (Strategy::Canary, false, 2));
    assert!(receipt.judged[0].contains("requests failed (0 %) against 0 of"), "{:?}", receipt.judged);
    assert_eq!(receipt.traffic.values().copied().collect::<Vec<_>>(), [100]);
    assert_eq!(world.says(), "two");
    world.settles();
    drop(load.stop().lost_nothing());
}

#[test]
fn a_release_that_fails_requests_goes_back_by_itself() {
    let world = World::new(LONG);
    let load = world.load();
    world.write_worse("two", r#"if path == "/" and os.urandom(1)[0] < 26: return 500, "broken""#);
    let fault = world.sandbox.run(&["deploy", "--json"]).code(4).fault();
    assert!(fault.message.contains("requests failed ("), "{fault:?}");
    assert!(
        fault.message.contains("(Fisher's exact test)") && fault.message.ends_with("serves on"),
        "{fault:?}"
    );
    assert_eq!(world.says(), "one");
    let receipts = world.sandbox.run(&["receipt", "--json"]).ok();
    assert!(receipts.stdout.contains("Fisher's exact test"), "{receipts}");
    world.settles();
    let report = load.stop();
    assert!(report.failures.iter().all(|failure| failure.reason.contains("500")), "{report}");
    eprintln!("{}: {report}", fault.message);
}

#[test]
fn a_release_that_is_slow_goes_back_by_itself() {
    let world = World::new(LONG);
    let load = world.load();
    world.write_worse("two", r#"if path == "/": time.sleep(0.2)"#);
    let fault = world.sandbox.run(&["deploy", "--json"]).code(4).fault();
    assert!(fault.message.contains("its 99th percentile is"), "{fault:?}");
    assert_eq!(world.says(), "one");
    drop(load.stop().lost_nothing());
}

#[test]
fn a_person_promotes_or_aborts() {
    let world = World::new(LONG);
    let load = world.load();
    world.write("two");
    let deploy = world.sandbox.spawn(&["deploy", "--json"]);
    wait_until("it is judged", SETTLED, || world.is_judging());
    world.sandbox.run(&["promote"]).ok();
    let receipt = deploy.wait(LIMIT).ok().receipt();
    assert!(receipt.promoted && receipt.judged[0].starts_with("promoted by hand"), "{receipt:?}");
    assert_eq!(world.says(), "two");

    world.write("three");
    let deploy = world.sandbox.spawn(&["deploy", "--json"]);
    wait_until("it is judged", SETTLED, || world.is_judging());
    world.sandbox.run(&["abort"]).ok();
    let ran = deploy.wait(LIMIT).code(4);
    assert!(ran.fault().message.starts_with("it was aborted by hand"), "{ran}");
    assert_eq!(world.says(), "two");
    drop(world.sandbox.run(&["promote"]).code(3));
    world.settles();
    drop(load.stop().lost_nothing());
}

#[test]
fn a_person_ends_a_canary_that_nobody_works_at() {
    let world = World::new(LONG);
    let load = world.load();
    let alone = |says: &str| {
        world.write(says);
        let deploy = world.sandbox.spawn(&["deploy"]);
        wait_until("it is judged", SETTLED, || world.is_judging());
        deploy.signal(rustix::process::Signal::KILL);
        assert!(world.sandbox.kill_agent());
        drop(deploy);
    };
    alone("two");
    world.sandbox.run(&["promote"]).ok();
    assert_eq!(world.says(), "two");
    alone("three");
    world.sandbox.run(&["abort"]).ok();
    assert_eq!(world.says(), "two");
    assert!(world.status().observed.open.is_none());
    world.settles();
    drop(load.stop().lost_nothing());
}

#[test]
fn an_agent_that_was_killed_judges_on() {
    let world = World::new(LONG);
    let load = world.load();
    let marker = world.write_worse_once("two");
    let deploy = world.sandbox.spawn(&["deploy"]);
    wait_until("it is judged", SETTLED, || world.is_judging());
    assert!(world.sandbox.kill_agent());
    // Whoever asks starts the agent; nobody asks it to resume.
    wait_until("it goes on by itself", SETTLED, || {
        world.status().observed.open.is_some_and(|open| open.running && open.doing.contains("judge"))
    });
    std::fs::write(&marker, "").expect("a file");
    // Who watched the deploy watches on.
    let ran = deploy.wait(LIMIT).code(4);
    assert!(ran.stdout.contains("goes back") || ran.stdout.contains("still serves"), "{ran}");
    assert!(world.status().observed.open.is_none());
    assert_eq!(world.says(), "one");
    let history = world.sandbox.run(&["history", "--json"]).ok();
    assert!(history.stdout.contains("Fisher's exact test"), "{history}");
    world.settles();
    drop(load.stop());
}

#[test]
fn a_bad_release_goes_back_though_everybody_was_killed() {
    let world = World::new(LONG);
    let load = world.load();
    let marker = world.write_worse_once("two");
    let deploy = world.sandbox.spawn(&["deploy"]);
    wait_until("it is judged", SETTLED, || world.is_judging());
    deploy.signal(rustix::process::Signal::KILL);
    assert!(world.sandbox.kill_agent());
    drop(deploy);
    std::fs::write(&marker, "").expect("a file");
    // No command is given: the proxy sees to it.
    let agent = || world.sandbox.process(&["agent", "run"]).is_some();
    wait_until("the agent is gone", SETTLED, || !agent());
    wait_until("it is there again", SETTLED, agent);
    wait_until("the release was taken back", SETTLED, || world.status().observed.open.is_none());
    assert_eq!(world.says(), "one");
    world.settles();
    drop(load.stop());
}

#[test]
fn a_stop_in_the_middle_takes_it_back() {
    let world = World::new(LONG);
    let load = world.load();
    world.write("two");
    let deploy = world.sandbox.spawn(&["deploy", "--json"]);
    wait_until("it is judged", SETTLED, || world.is_judging());
    deploy.signal(rustix::process::Signal::INT);
    let ran = deploy.wait(LIMIT).code(130);
    let fault = ran.fault();
    assert_eq!(fault.kind, FaultKind::Interrupted, "{fault:?}");
    assert!(ran.receipts().iter().all(|receipt| receipt.outcome == Outcome::RolledBack), "{ran}");
    assert_eq!(world.says(), "one");
    drop(load.stop().lost_nothing());
}
