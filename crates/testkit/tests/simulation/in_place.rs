//! Compose projects: one belongs to one release at a time, so that the next is made out of the one that serves.

use landfall_model::{Change, ChangeKind, Outcome, Pause, Plan, Step, Strategy, Template};
use landfall_plan::{RollbackRequest, deploy, rollback};
use landfall_testkit::simulation::{Behaviour, Blueprint, World, desired};

use crate::trial::{Trial, deploy_well};

fn project() -> Blueprint {
    Blueprint::compose("web")
}

fn processes(strategy: Strategy) -> Blueprint {
    Blueprint::web("web", strategy)
}

/// `old` deployed, and the plan that puts `new` in its place.
fn planned(old: &Blueprint, new: &Blueprint) -> (World, Plan) {
    let world = World::new();
    deploy_well(&world, &desired(10, std::slice::from_ref(old)), 1);
    let plan = deploy(&desired(20, std::slice::from_ref(new)), &world.observed()).expect("a plan");
    (world, plan)
}

fn verbs(plan: &Plan) -> String {
    plan.steps.iter().map(Step::verb).collect::<Vec<_>>().join(", ")
}

#[test]
fn what_runs_becomes_the_new_release_and_is_not_stopped() {
    let (_, plan) = planned(&project(), &project().artifact(9));
    assert_eq!(verbs(&plan), "prepare, hold, start, health, switch, read back, prune");
    let forecast = &plan.services[0].forecast;
    assert_eq!(
        forecast.sentence(),
        "requests held for about 100 ms: docker compose replaces the containers that change"
    );
    assert_eq!(plan.services[0].strategy, Strategy::Restart);
    // Whatever the manifest says.
    let eager = Blueprint { strategy: Strategy::BlueGreen, ..project() };
    let (_, plan) = planned(&project(), &eager.artifact(9));
    assert_eq!(verbs(&plan), "prepare, hold, start, health, switch, read back, prune");
}

#[test]
fn a_change_of_the_configuration_alone_is_made_in_place_too() {
    let (world, _) = planned(&project(), &project());
    let mut wanted = desired(20, &[project()]);
    assert!(deploy(&wanted, &world.observed()).unwrap().is_empty(), "nothing has changed");
    wanted.services[0].spec.env.insert("COLOUR".to_owned(), Template::text("red"));
    let plan = deploy(&wanted, &world.observed()).unwrap();
    assert_eq!(verbs(&plan), "prepare, hold, start, health, switch, read back, prune");
    let Change::Update { reasons } = &plan.services[0].change else { panic!("{:?}", plan.services[0]) };
    assert_eq!(reasons, &[ChangeKind::Config { keys: vec!["env.COLOUR".to_owned()] }]);
    let trial = Trial::new(&world, &plan, 2);
    trial.ends_well(&trial.run(&[]), "another colour");
}

#[test]
fn into_a_project_and_out_of_it_the_old_release_is_stopped_or_drained() {
    let (_, plan) = planned(&processes(Strategy::BlueGreen), &project().artifact(9));
    assert_eq!(verbs(&plan), "prepare, hold, stop, start, health, switch, read back, prune");
    assert_eq!(plan.services[0].forecast.pause, Pause::Held);
    assert!(!plan.services[0].forecast.reason.contains("docker compose"), "{:?}", plan.services[0].forecast);
    let (_, plan) = planned(&project(), &processes(Strategy::Restart).artifact(9));
    assert_eq!(verbs(&plan), "prepare, hold, stop, start, health, switch, read back, prune");
    let (_, plan) = planned(&project(), &processes(Strategy::BlueGreen).artifact(9));
    assert_eq!(verbs(&plan), "prepare, start, health, switch, read back, retire, prune");
    assert_eq!(plan.services[0].forecast.pause, Pause::None);
}

#[test]
fn a_rollback_makes_the_old_project_again_in_place() {
    let (world, _) = planned(&project(), &project());
    deploy_well(&world, &desired(20, &[project().artifact(9)]), 2);
    let request = RollbackRequest {
        app: "guestbook".parse().unwrap(),
        environment: "dev".parse().unwrap(),
        services: Vec::new(),
        to: None,
    };
    let plan = rollback(&request, &world.observed()).unwrap();
    assert_eq!(verbs(&plan), "prepare, hold, start, health, switch, read back, prune");
}

#[test]
fn one_that_does_not_become_healthy_gives_the_project_back_before_requests_are_let_through() {
    let (world, plan) = planned(&project(), &project().artifact(9));
    world.behave(9, Behaviour::NeverHealthy);
    let before = world.snapshot();
    let trial = Trial::new(&world, &plan, 2);
    let ended = trial.run(&[]);
    assert_eq!(ended.outcome, Outcome::RolledBack, "{:?}", ended.fault);
    trial.ends_well(&ended, "ill");
    assert_eq!(world.snapshot(), before);
}
