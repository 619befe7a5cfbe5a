//! What a person is told: outcome, exit code, sentence, receipt.

use landfall_model::{Event, FaultKind, Outcome, Strategy};
use landfall_plan::deploy;
use landfall_testkit::simulation::{Behaviour, Blueprint, Fault, World, desired};

use crate::trial::{Trial, Way, deploy_well};

fn changed(strategy: Strategy) -> (World, landfall_model::Plan) {
    let world = World::new();
    world.behave(9, Behaviour::NeverHealthy);
    let web = Blueprint::web("web", strategy);
    deploy_well(&world, &desired(10, std::slice::from_ref(&web)), 1);
    let plan = deploy(&desired(20, &[web.artifact(9)]), &world.observed()).unwrap();
    (world, plan)
}

#[test]
fn a_failed_deploy_says_that_the_old_release_serves_on() {
    for strategy in [Strategy::Restart, Strategy::BlueGreen] {
        let (world, plan) = changed(strategy);
        let ended = Trial::new(&world, &plan, 2).run(&[]);
        let fault = ended.fault.unwrap();
        assert_eq!((ended.outcome, fault.kind.exit_code()), (Outcome::RolledBack, 4));
        assert_eq!(fault.message, "it did not become healthy; web@1.4.0-20261120120010-3f2a1c9 serves on");
        let receipt = &ended.receipts[0];
        assert_eq!(receipt.outcome, Outcome::RolledBack);
        assert_eq!(receipt.traffic.keys().collect::<Vec<_>>(), ["1.4.0-20261120120010-3f2a1c9"]);
        assert!(receipt.instances[0].healthy);
    }
}

#[test]
fn a_failed_first_deploy_says_that_nothing_serves() {
    let world = World::new();
    world.behave(9, Behaviour::NeverHealthy);
    let web = Blueprint::web("web", Strategy::Restart).artifact(9);
    let plan = deploy(&desired(20, &[web]), &world.observed()).unwrap();
    let ended = Trial::new(&world, &plan, 1).run(&[]);
    assert_eq!(ended.outcome, Outcome::RolledBack);
    assert!(ended.fault.unwrap().message.ends_with("nothing served before, and nothing serves now"));
}

#[test]
fn a_good_deploy_has_a_receipt_of_what_was_read_back() {
    let world = World::new();
    let web = Blueprint { replicas: 2, ..Blueprint::web("web", Strategy::BlueGreen) };
    deploy_well(&world, &desired(10, std::slice::from_ref(&web)), 1);
    let plan = deploy(&desired(20, &[web.artifact(2)]), &world.observed()).unwrap();
    let _ = world.events();
    let ended = Trial::new(&world, &plan, 2).run(&[]);
    assert_eq!((ended.outcome, ended.fault), (Outcome::Done, None));
    let receipt = &ended.receipts[0];
    assert_eq!(receipt.instances.len(), 2);
    assert_eq!(receipt.traffic.values().collect::<Vec<_>>(), [&100]);
    assert_eq!(receipt.served.as_ref().map(|served| served.status), Some(200));
    assert_eq!(
        receipt.previous_version.as_ref().map(ToString::to_string).as_deref(),
        Some("1.4.0-20261120120010-3f2a1c9")
    );
    assert_eq!((receipt.bytes_shipped, receipt.steps.len()), (12, plan.steps.len()));
    assert_eq!(Some(receipt.plan_hash), plan.hash);
    let events = world.events();
    let done = events.iter().filter(|event| matches!(event, Event::StepDone { .. })).count();
    assert_eq!(done, plan.steps.len());
    assert!(!events.iter().any(|event| matches!(event, Event::Ended { .. })), "that one is the caller's");
}

#[test]
fn a_journal_that_cannot_be_begun_changes_nothing() {
    for fault in [Fault::Fail(1), Fault::Full(1), Fault::Fail(2), Fault::Full(2)] {
        let (world, plan) = changed(Strategy::Restart);
        let trial = Trial::new(&world, &plan, 2);
        let ended = trial.run(&[fault]);
        let told = ended.fault.unwrap();
        assert_eq!((ended.outcome, told.kind), (Outcome::RolledBack, FaultKind::Failed), "{told:?}");
        assert!(told.message.contains("nothing was done"), "{told:?}");
        assert_eq!(world.snapshot(), trial.before);
        assert!(trial.journal().is_none());
    }
}

#[test]
fn a_full_disk_is_taken_back_with_the_reserve() {
    let (world, plan) = changed(Strategy::Restart);
    let trial = Trial::new(&world, &plan, 2);
    let ended = trial.run(&[Fault::Full(14)]);
    assert_eq!(ended.outcome, Outcome::RolledBack, "{:?}", ended.fault);
    assert!(ended.fault.as_ref().unwrap().message.contains("no space is left"), "{:?}", ended.fault);
    trial.ends_well(&ended, "full");
}

#[test]
fn a_journal_that_breaks_stops_before_the_next_effect() {
    let (world, plan) = changed(Strategy::BlueGreen);
    let plain = world.fork();
    let total = {
        let _ = Trial::new(&plain, &plan, 2).run(&[]);
        plain.effects()
    };
    let mut broke = 0;
    for at in 4..total {
        let world = world.fork();
        let trial = Trial::new(&world, &plan, 2);
        let ended = trial.run(&[Fault::Fail(at)]);
        let Some(fault) = ended.fault.filter(|fault| fault.message.contains("nothing more was done")) else {
            continue;
        };
        broke += 1;
        assert_eq!(world.effects(), at + 1, "only the broken line is cut off after {at}");
        assert_eq!((ended.outcome, fault.kind.exit_code()), (Outcome::NeedsPerson, 5));
        assert!(fault.help.unwrap().contains("`landfall undo dev`"));
        let ended = trial.finish(Way::Undo);
        trial.ends_well(&ended, &format!("{at}"));
    }
    assert!(broke > 8, "{broke}");
}

#[test]
fn a_stop_leaves_it_open_unless_requests_are_held() {
    let (world, plan) = changed(Strategy::Restart);
    let (mut open, mut back) = (0, 0);
    for at in 4..40 {
        let world = world.fork();
        let trial = Trial::new(&world, &plan, 2);
        let ended = trial.run(&[Fault::Cancel(at)]);
        match (ended.outcome, ended.fault.as_ref().map(|fault| fault.kind)) {
            (Outcome::Interrupted, Some(FaultKind::Interrupted)) => open += 1,
            (Outcome::RolledBack, Some(FaultKind::Interrupted)) => back += 1,
            (Outcome::RolledBack, Some(FaultKind::Failed)) => break,
            other => panic!("{at}: {other:?}"),
        }
        let ended = if ended.is_open() { trial.finish(Way::Undo) } else { ended };
        trial.ends_well(&ended, &format!("stopped at {at}"));
    }
    assert!(open > 3 && back > 3, "{open} {back}");
}

#[test]
fn an_old_release_that_fell_ill_needs_a_person_once_and_then_lets_go() {
    let (world, plan) = changed(Strategy::Restart);
    world.behave(0, Behaviour::NeverHealthy);
    let trial = Trial::new(&world, &plan, 2);
    let ended = trial.run(&[]);
    let told = ended.fault.unwrap();
    assert_eq!((ended.outcome, told.kind.exit_code()), (Outcome::NeedsPerson, 5));
    assert!(told.help.unwrap().contains("`landfall undo dev`"));
    let _ = world.violations();
    let ended = trial.finish(Way::Undo);
    let _ = world.violations();
    let told = ended.fault.clone().unwrap();
    assert!(told.message.starts_with("all was taken back, but"), "{told:?}");
    assert_eq!(told.kind, FaultKind::NeedsPerson);
    trial.ends_well(&ended, "ill");
}
