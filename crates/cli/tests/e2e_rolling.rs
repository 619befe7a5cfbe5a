//! `rolling` on real processes: batch by batch under load, taken back whole, killed in the middle.

use std::time::Duration;

use landfall_model::Strategy;
use landfall_model::api::StatusView;
use landfall_testkit::app::{Tiny, TinyFault};
use landfall_testkit::ask::ask;
use landfall_testkit::journal::{Moment, newest, steps, wait_for_moment};
use landfall_testkit::load::{Load, LoadPlan};
use landfall_testkit::sandbox::{LIMIT, Sandbox, free_address};
use landfall_testkit::wait::wait_until;

/// How long the background may take to stop what was replaced.
const SETTLED: Duration = Duration::from_secs(180);

struct World {
    sandbox: Sandbox,
    tiny: Tiny,
    strategy: &'static str,
}

impl World {
    /// `one` deployed with so many instances.
    fn new(replicas: u32, strategy: &'static str) -> Self {
        let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
        let tiny = Tiny::new("tiny", &free_address(), "rolling").key(&format!("replicas = {replicas}"));
        let world = Self { sandbox, tiny: tiny.key(r#"drain = "5s""#), strategy };
        world.write(&world.tiny);
        world.sandbox.run(&["deploy"]).ok();
        world
    }

    fn write(&self, tiny: &Tiny) {
        self.sandbox.write_tiny(tiny);
        self.sandbox.edit(
            "landfall.toml",
            r#"strategy = "rolling""#,
            &format!("strategy = {}", self.strategy),
        );
    }

    fn load(&self) -> Load {
        Load::start(LoadPlan::new(&self.tiny.listen, &self.tiny.host(), 100))
    }

    fn says(&self) -> String {
        ask(&self.tiny.listen, &self.tiny.host(), "/").expect("an answer").body.trim_end().to_owned()
    }

    fn status(&self) -> StatusView {
        let ran = self.sandbox.run(&["status", "--json"]).ok();
        serde_json::from_str(&ran.stdout).expect("a status")
    }

    /// How many instances there are, of all releases.
    fn instances(&self) -> usize {
        self.status().observed.services.values().map(|service| service.instances.len()).sum()
    }
}

#[test]
fn batch_by_batch_and_no_request_is_lost() {
    for strategy in [
        r#"{ kind = "rolling", max_surge = 1, max_unavailable = 0 }"#,
        r#"{ kind = "rolling", max_surge = 0, max_unavailable = 1 }"#,
    ] {
        let world = World::new(3, strategy);
        let load = world.load();
        world.write(&world.tiny.clone().says("two"));
        let receipt = world.sandbox.run(&["deploy", "--json"]).ok().receipt();
        assert_eq!(receipt.strategy, Strategy::Rolling);
        assert_eq!(
            (receipt.instances.len(), receipt.traffic.values().copied().collect::<Vec<_>>()),
            (3, vec![100])
        );
        let rolls = receipt.steps.iter().filter(|step| step.name.starts_with("roll")).count();
        assert!(rolls >= 2, "{:?}", receipt.steps);
        assert_eq!((world.says().as_str(), receipt.downtime.measured_ms), ("two", 0));
        wait_until("the old instances are gone", SETTLED, || world.instances() == 3);
        let report = load.stop().lost_nothing();
        eprintln!("{strategy}: {report}");
    }
}

#[test]
fn a_batch_that_is_not_well_takes_all_of_it_back() {
    let world = World::new(3, r#"{ kind = "rolling", max_surge = 1, max_unavailable = 1 }"#);
    let before = world.status();
    let load = world.load();
    world.write(&world.tiny.clone().says("two").fault(TinyFault::Unhealthy).start_period("3s"));
    let fault = world.sandbox.run(&["deploy", "--json"]).code(4).fault();
    assert!(fault.message.ends_with("serves on"), "{fault:?}");
    assert_eq!(world.says(), "one");
    wait_until("only the old instances are there", SETTLED, || {
        let now = world.status();
        let active = |status: &StatusView| status.observed.services.values().next().unwrap().active.clone();
        active(&now) == active(&before) && world.instances() == 3
    });
    drop(load.stop().lost_nothing());
}

#[test]
fn an_agent_that_is_killed_in_the_middle_loses_nothing() {
    let world = World::new(3, r#"{ kind = "rolling", max_surge = 1, max_unavailable = 0 }"#);
    for (turn, verb) in ["resume", "undo"].into_iter().enumerate() {
        let load = world.load();
        let before = newest(world.sandbox.state(), "tiny", "dev");
        world.write(&world.tiny.clone().says(&format!("turn {turn}")));
        let served = world.says();
        let deploy = world.sandbox.spawn(&["deploy"]);
        // Prepared, the first started, healthy, and sharing the requests.
        let moment = Moment { record: "done".to_owned(), step: Some(3) };
        wait_for_moment(world.sandbox.state(), ("tiny", "dev"), before.as_deref(), &moment, LIMIT)
            .map(|journal| assert_eq!(steps(&journal)[3], "roll"))
            .expect("it rolls");
        assert!(world.sandbox.kill_agent());
        drop(deploy.wait(LIMIT));
        world.sandbox.run(&[verb]).ok();
        let expected = if verb == "resume" { format!("turn {turn}") } else { served };
        assert_eq!(world.says(), expected);
        wait_until("three instances are left", SETTLED, || world.instances() == 3);
        drop(load.stop().lost_nothing());
    }
}
