//! Whole deploys of a small application: what serves, what the receipt proves, and that no request is lost.

use landfall_model::{Outcome, Pause, Plan, PlanKind};
use landfall_testkit::app::Tiny;
use landfall_testkit::ask::ask;
use landfall_testkit::load::{Load, LoadPlan};
use landfall_testkit::sandbox::{Sandbox, free_address};

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_landfall"))
}

/// What the application answers at `/` now.
fn says(tiny: &Tiny) -> String {
    let answer = ask(&tiny.listen, &tiny.host(), "/").expect("somebody answers");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body.lines().next().unwrap_or_default().to_owned()
}

/// Deploys five times under a load and gives how long the pauses were.
fn deploy_again_and_again(strategy: &str) {
    let sandbox = sandbox();
    let tiny = Tiny::new("tiny", &free_address(), strategy);
    sandbox.write_tiny(&tiny);
    let first = sandbox.run(&["deploy", "--json"]).ok().receipt();
    assert_eq!(first.previous_version, None);
    assert_eq!(says(&tiny), "one");

    let load = Load::start(LoadPlan::new(&tiny.listen, &tiny.host(), 200));
    let slow = Load::start(LoadPlan::new(&tiny.listen, &tiny.host(), 10).path("/slow"));
    let mut before = first.version;
    for turn in ["two", "three", "four", "five"] {
        sandbox.write_tiny(&tiny.clone().says(turn));
        let receipt = sandbox.run(&["deploy", "--json"]).ok().receipt();
        assert_eq!(says(&tiny), turn);
        let version = receipt.version.to_string();
        assert_eq!((receipt.outcome, receipt.kind), (Outcome::Done, PlanKind::Deploy));
        assert_eq!(receipt.previous_version.as_ref(), Some(&before));
        assert!(receipt.version > before && version.starts_with("1.0.0-"), "{version} after {before}");
        assert_eq!(
            receipt.traffic.iter().map(|(v, s)| (v.as_str(), *s)).collect::<Vec<_>>(),
            [(&*version, 100)]
        );
        let served = receipt.served.as_ref().expect("a request was sent through the front door");
        assert_eq!((served.status, served.version.as_str()), (200, &*version));
        assert_eq!(receipt.instances.len(), 1, "{receipt:?}");
        for instance in &receipt.instances {
            assert!(instance.healthy && instance.digest == receipt.artifact_digest, "{receipt:?}");
        }
        assert_eq!(receipt.requests.failed, 0, "{receipt:?}");
        assert!(receipt.requests.served > 0, "{receipt:?}");
        match strategy {
            "restart" => {
                assert!(receipt.requests.held > 0 && receipt.downtime.measured_ms > 0, "{receipt:?}");
            }
            _ => assert_eq!((receipt.requests.held, receipt.downtime.measured_ms), (0, 0), "{receipt:?}"),
        }
        before = receipt.version;
    }
    let report = load.stop().lost_nothing();
    assert_eq!(report.answers.len(), 5, "{report}");
    let report = slow.stop().lost_nothing();
    assert_eq!(report.answers.len(), 5, "{report}");
}

#[test]
fn restart_holds_requests_and_loses_none() {
    deploy_again_and_again("restart");
}

#[test]
fn blue_green_pauses_nobody_and_loses_none() {
    deploy_again_and_again("blue-green");
}

#[test]
fn a_deploy_with_nothing_changed_says_so_and_touches_nothing() {
    let sandbox = sandbox();
    let tiny = Tiny::new("tiny", &free_address(), "blue-green").key("replicas = 3");
    sandbox.write_tiny(&tiny);
    let receipt = sandbox.run(&["deploy", "--json"]).ok().receipt();
    let mut pids: Vec<_> = receipt.instances.iter().map(|instance| instance.pid).collect();
    pids.dedup();
    assert_eq!(pids.len(), 3, "{receipt:?}");

    let before = sandbox.processes();
    sandbox.run(&["deploy"]).ok().says("nothing changed");
    assert_eq!(sandbox.processes(), before);
    let history = sandbox.run(&["history", "--json"]).ok();
    assert_eq!(history.stdout.matches("\"deploy\"").count(), 1, "{history}");

    // What is not in the release changes nothing either: a file that git ignores.
    sandbox.write(".gitignore", "*.log\n");
    let _ = sandbox.run(&["deploy", "--json"]).ok().receipt();
    sandbox.write("some.log", "x");
    sandbox.run(&["deploy"]).ok().says("nothing changed");
}

#[test]
fn rollback_goes_back_and_forth_and_to_a_version() {
    let sandbox = sandbox();
    let tiny = Tiny::new("tiny", &free_address(), "blue-green");
    let mut versions = Vec::new();
    for turn in ["one", "two", "three"] {
        sandbox.write_tiny(&tiny.clone().says(turn));
        versions.push(sandbox.run(&["deploy", "--json"]).ok().receipt().version.to_string());
    }
    let load = Load::start(LoadPlan::new(&tiny.listen, &tiny.host(), 100));
    let receipt = sandbox.run(&["rollback", "--json", "--yes"]).ok().receipt();
    assert_eq!((receipt.kind, receipt.version.to_string()), (PlanKind::Rollback, versions[1].clone()));
    assert_eq!(says(&tiny), "two");
    sandbox.run(&["rollback", "--yes", "--to", &versions[0]]).ok();
    assert_eq!(says(&tiny), "one");
    sandbox.run(&["rollback", "--yes", "--to", &versions[2], "web"]).ok();
    assert_eq!(says(&tiny), "three");
    let refused = sandbox.run(&["rollback", "--yes", "--to", "9.9.9-20200101000000"]);
    assert!(matches!(refused.code, Some(2 | 3)), "{refused}");
    assert_eq!(says(&tiny), "three");
    let _ = load.stop().lost_nothing();
    // The manifest says what should serve: a deploy after a rollback makes that true again.
    sandbox.run(&["rollback", "--yes"]).ok();
    assert_eq!(says(&tiny), "two", "the one made before, wherever one has been meanwhile");
    sandbox.run(&["deploy"]).ok();
    assert_eq!(says(&tiny), "three");
}

#[test]
fn old_releases_are_kept_as_many_as_asked_for() {
    let sandbox = sandbox();
    let tiny = Tiny::new("tiny", &free_address(), "restart");
    for turn in 0..5 {
        sandbox.write_tiny(&tiny.clone().says(&format!("turn {turn}")));
        sandbox.edit("landfall.toml", "version = \"1.0.0\"", "version = \"1.0.0\"\nkeep = 2");
        sandbox.run(&["deploy"]).ok();
    }
    let releases = sandbox.state().join("apps/tiny/dev/web/releases");
    let folders =
        std::fs::read_dir(&releases).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir());
    let kept: Vec<_> = folders.map(|entry| entry.file_name()).collect();
    assert_eq!(kept.len(), 3, "the one that serves and two more: {kept:?}");
}

#[test]
fn a_plan_says_what_will_happen_and_is_applied_exactly_or_refused() {
    let sandbox = sandbox();
    let tiny = Tiny::new("tiny", &free_address(), "restart");
    sandbox.write_tiny(&tiny);
    sandbox.run(&["deploy"]).ok();
    sandbox.write_tiny(&tiny.clone().says("two"));
    let shown = sandbox.run(&["plan"]).ok();
    for word in ["web", "requests held"] {
        assert!(shown.stdout.contains(word), "`{word}` is missing: {shown}");
    }
    let plan: Plan = serde_json::from_str(&sandbox.run(&["plan", "--json"]).ok().stdout).expect("a plan");
    assert!(plan.is_intact() && plan.services[0].forecast.pause == Pause::Held, "{plan:?}");
    assert_eq!(says(&tiny), "one", "a plan changes nothing");

    // Beside the project: inside it, it would be a change of the source.
    let (saved_file, forged_file) = (sandbox.root().join("saved.plan"), sandbox.root().join("forged.plan"));
    let (saved_path, forged_path) = (saved_file.display().to_string(), forged_file.display().to_string());
    sandbox.run(&["plan", "--out", &saved_path]).ok();
    let saved = std::fs::read_to_string(&saved_file).unwrap();
    // Changed by hand: refused.
    std::fs::write(&forged_file, saved.replace("1.0.0-", "1.0.1-")).unwrap();
    let _ = sandbox.run(&["deploy", "--plan", &forged_path]).code(3);
    // A world that moved: refused.
    sandbox.write_tiny(&tiny.clone().says("three"));
    let _ = sandbox.run(&["deploy", "--plan", &saved_path]).code(3);
    assert_eq!(says(&tiny), "one");
    // The world as it was: applied, with the very version that the plan shows.
    sandbox.write_tiny(&tiny.clone().says("two"));
    let saved: Plan = serde_json::from_str(&saved).expect("a plan");
    let receipt = sandbox.run(&["deploy", "--plan", &saved_path, "--json"]).ok().receipt();
    assert_eq!((receipt.version, Some(receipt.plan_hash)), (saved.version, saved.hash));
    assert_eq!(says(&tiny), "two");
    // Applied already: the place is at another generation.
    let _ = sandbox.run(&["deploy", "--plan", &saved_path]).code(3);
}
