//! `rolling` and `canary`: which steps they come to, when they give way, what a person is told of a canary.

use landfall_model::{
    Event, FaultKind, Feature, Kind, Lack, Millis, ObservedProxy, Outcome, Pause, Plan, Proxy, Step, Strategy,
};
use landfall_plan::{RollbackRequest, deploy, rollback};
use landfall_testkit::simulation::{Behaviour, Blueprint, Fault, World, desired};

use crate::trial::{Trial, Way, deploy_well};

fn web(strategy: Strategy) -> Blueprint {
    Blueprint::web("web", strategy)
}

/// `old` deployed, and the plan that puts `new` in its place.
fn planned(old: &Blueprint, new: Blueprint) -> (World, Plan) {
    let world = World::new();
    deploy_well(&world, &desired(10, std::slice::from_ref(old)), 1);
    let plan = deploy(&desired(20, &[new.artifact(9)]), &world.observed()).expect("a plan");
    (world, plan)
}

fn verbs(plan: &Plan) -> String {
    plan.steps.iter().map(Step::verb).collect::<Vec<_>>().join(", ")
}

fn notes(plan: &Plan) -> String {
    plan.services[0].notes.join("; ")
}

#[test]
fn a_rolling_goes_batch_by_batch() {
    let (_, plan) = planned(&web(Strategy::BlueGreen).replicas(3), web(Strategy::Rolling).replicas(3));
    assert_eq!(
        verbs(&plan),
        "prepare, start, health, roll, shrink, start, health, roll, shrink, start, health, switch, read back, retire, \
         prune"
    );
    let forecast = &plan.services[0].forecast;
    assert_eq!((forecast.pause, forecast.pause_ms), (Pause::None, 0));
    assert!(forecast.reason.starts_with("3 batches"), "{}", forecast.reason);
    assert!(matches!(plan.steps[3], Step::Roll { old: 2, new: 1, .. }), "{:?}", plan.steps[3]);
    let worker = |strategy| web(strategy).kind(Kind::Worker).replicas(2);
    let (_, plan) = planned(&worker(Strategy::BlueGreen), worker(Strategy::Rolling));
    assert_eq!(
        verbs(&plan),
        "prepare, start, health, shrink, start, health, switch, read back, retire, prune",
        "nothing is sent to a worker"
    );
}

#[test]
fn what_is_to_stay_warm_is_not_drained_on_the_way() {
    let new = Blueprint { warm: Millis::seconds(600), ..web(Strategy::Rolling).replicas(3) };
    let (_, plan) = planned(&web(Strategy::BlueGreen).replicas(3), new);
    assert!(!verbs(&plan).contains("shrink"), "{}", verbs(&plan));
    assert!(plan.steps.iter().any(|step| matches!(step, Step::Retire { warm: Millis(600_000), .. })));
    assert!(notes(&plan).contains("the 3 old instances stay warm for 10 min"), "{}", notes(&plan));
}

#[test]
fn a_canary_shifts_and_judges_step_by_step() {
    let (_, plan) = planned(&web(Strategy::Canary), web(Strategy::Canary));
    assert_eq!(
        verbs(&plan),
        "prepare, start, health, shift, judge, shift, judge, switch, read back, retire, prune"
    );
    assert!(
        notes(&plan).starts_with("canary: 10 %, 50 % of the requests, then all; takes 1.0 s if"),
        "{}",
        notes(&plan)
    );
    let titles: Vec<String> = plan.titles().into_iter().map(|line| line.title).collect();
    assert!(titles[3].starts_with("sends 10 % of the requests to 1.4.0-"), "{titles:?}");
    assert!(titles[4].starts_with("compares its errors and latency with those of 1.4.0-"), "{titles:?}");
}

#[test]
fn where_it_cannot_be_followed_a_strategy_gives_way() {
    let goes = |old: Blueprint, new: Blueprint, followed: Strategy, why: &str| {
        let (_, plan) = planned(&old, new);
        let line = &plan.services[0];
        assert_eq!(line.strategy, followed, "{}", verbs(&plan));
        assert!(notes(&plan).contains(why), "{}", notes(&plan));
    };
    let (rolling, canary) = (|| web(Strategy::Rolling), || web(Strategy::Canary));
    goes(canary(), canary().host("other"), Strategy::BlueGreen, "its route changes");
    goes(
        rolling().replicas(2),
        rolling().host("other").replicas(2),
        Strategy::BlueGreen,
        "its route changes",
    );
    goes(rolling(), rolling().bounds(1, 0), Strategy::Restart, "as `restart` does it");
    let world = World::new();
    deploy_well(&world, &desired(10, &[canary()]), 1);
    world.sicken();
    let plan = deploy(&desired(20, &[canary().artifact(9)]), &world.observed()).unwrap();
    assert_eq!(plan.services[0].strategy, Strategy::BlueGreen);
    assert!(notes(&plan).contains("no instance of the release that serves is well"), "{}", notes(&plan));
}

#[test]
fn a_rollback_is_no_canary_and_says_what_is_there_still() {
    let world = World::new();
    deploy_well(&world, &desired(10, &[web(Strategy::Canary)]), 1);
    let newer = deploy(&desired(20, &[web(Strategy::Canary).artifact(2)]), &world.observed()).unwrap();
    let ended = Trial::new(&world, &newer, 2).run(&[]);
    assert_eq!(ended.outcome, Outcome::Done);
    let request = RollbackRequest {
        app: "guestbook".parse().unwrap(),
        environment: "dev".parse().unwrap(),
        services: Vec::new(),
        to: None,
    };
    let plan = rollback(&request, &world.observed()).unwrap();
    assert!(!verbs(&plan).contains("judge"), "{}", verbs(&plan));
    assert!(notes(&plan).contains("goes back at once"), "{}", notes(&plan));
}

#[test]
fn a_proxy_without_weights_and_a_worker_are_refused() {
    let mut observed = World::new().observed();
    observed.proxies.push(ObservedProxy {
        proxy: Proxy::Landfall,
        version: Some("2.6.2".to_owned()),
        lacks: vec![Lack {
            feature: Feature::Weights,
            why: "Caddy 2.6.2 has none".to_owned(),
            instead: "use `blue-green`".to_owned(),
        }],
    });
    let fault = deploy(&desired(20, &[web(Strategy::Canary)]), &observed).unwrap_err();
    assert_eq!(fault.kind.exit_code(), 3);
    assert!(fault.message.contains("needs traffic splitting with counts: Caddy 2.6.2 has none"), "{fault:?}");
    assert!(deploy(&desired(20, &[web(Strategy::Rolling)]), &observed).is_ok());
    let worker = web(Strategy::Canary).kind(Kind::Worker);
    let fault = deploy(&desired(20, &[worker]), &World::new().observed()).unwrap_err();
    assert!(fault.message.contains("it has no route"), "{fault:?}");
}

#[test]
fn a_worse_release_is_taken_back_with_the_numbers() {
    let (world, plan) = planned(&web(Strategy::Canary), web(Strategy::Canary));
    world.behave(9, Behaviour::FailsRequests);
    let trial = Trial::new(&world, &plan, 2);
    let ended = trial.run(&[]);
    let fault = ended.fault.clone().unwrap();
    assert_eq!((ended.outcome, fault.kind.exit_code()), (Outcome::RolledBack, 4));
    assert!(
        fault
            .message
            .contains("at 10 % of the requests: 50 of 100 requests failed (50.0 %) against 0 of 900"),
        "{fault:?}"
    );
    assert!(
        fault.message.contains("(Fisher's exact test); web@1.4.0-20261120120010-3f2a1c9 serves on"),
        "{fault:?}"
    );
    assert_eq!(ended.receipts[0].judged.len(), 1);
    assert_eq!(ended.receipts[0].traffic.values().collect::<Vec<_>>(), [&100]);
    assert!(world.events().iter().any(|event| matches!(event, Event::Watched { .. })));
    trial.ends_well(&ended, "worse");
}

#[test]
fn a_person_promotes_or_aborts_or_stops_in_the_middle() {
    let (world, plan) = planned(&web(Strategy::Canary), web(Strategy::Canary));
    let (mut promoted, mut aborted, mut stopped) = (0, 0, 0);
    for at in 8..60 {
        for fault in [Fault::Promote(at), Fault::Abort(at), Fault::Cancel(at)] {
            let world = world.fork();
            let trial = Trial::new(&world, &plan, 2);
            let mut ended = trial.run(&[fault]);
            let told = ended.fault.as_ref().map(|fault| (fault.kind, fault.message.clone()));
            match (fault, ended.outcome, told) {
                (_, Outcome::Done, None) => promoted += u32::from(ended.receipts[0].promoted),
                (Fault::Abort(_), Outcome::RolledBack, Some((FaultKind::Failed, message))) => {
                    assert!(message.starts_with("it was aborted by hand"), "{message}");
                    aborted += 1;
                }
                (Fault::Cancel(_), Outcome::RolledBack, Some((FaultKind::Interrupted, message))) => {
                    assert!(message.contains("in the middle of the canary"), "{message}");
                    stopped += 1;
                }
                (Fault::Cancel(_), Outcome::Interrupted, _) => ended = trial.finish(Way::Resume),
                other => panic!("{other:?}"),
            }
            trial.ends_well(&ended, &format!("{fault:?}"));
        }
    }
    assert!(promoted > 5 && aborted > 5 && stopped > 5, "{promoted} {aborted} {stopped}");
}
