//! Plans as data: what changes and why, in which order, with which forecast; and what is refused.

use landfall_model::{
    Change, ChangeKind, Fault as ModelFault, FaultKind, Fingerprint, Kind, Lease, OpenTransaction, Pause,
    Plan, PlanKind, Step, Strategy, TakenRoute, Template, TransactionId,
};
use landfall_plan::{Desired, DownRequest, RollbackRequest, deploy, down, rollback, titles};
use landfall_testkit::simulation::{Blueprint, World, desired, moment, version};

use crate::trial::deploy_well;

fn verbs(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| format!("{} {}", step.service(), step.verb())).collect()
}

fn web(strategy: Strategy) -> Blueprint {
    Blueprint::web("web", strategy)
}

fn deployed(services: &[Blueprint]) -> World {
    let world = World::new();
    deploy_well(&world, &desired(10, services), 1);
    world
}

fn back(services: &[&str], to: Option<u64>) -> RollbackRequest {
    RollbackRequest {
        app: "guestbook".parse().unwrap(),
        environment: "dev".parse().unwrap(),
        services: services.iter().map(|name| name.parse().unwrap()).collect(),
        to: to.map(version),
    }
}

#[track_caller]
fn refused(plan: Result<Plan, ModelFault>, part: &str) {
    let fault = plan.expect_err("it is refused");
    assert_eq!(fault.kind, FaultKind::Refused);
    assert!(fault.message.contains(part), "{}", fault.message);
    assert!(fault.help.is_some());
}

#[test]
fn steps_come_in_the_order_of_their_strategy() {
    let world = deployed(&[web(Strategy::Restart)]);
    let both =
        |strategy| [web(strategy).artifact(2), Blueprint { tested: true, ..Blueprint::web("new", strategy) }];
    let restart = deploy(&desired(20, &both(Strategy::Restart)), &world.observed()).unwrap();
    assert_eq!(
        verbs(&restart),
        [
            "web prepare",
            "new prepare",
            "new test",
            "web hold",
            "web stop",
            "web start",
            "web health",
            "web switch",
            "new start",
            "new health",
            "new switch",
            "web read back",
            "new read back",
            "web prune",
            "new prune",
        ]
    );
    let blue_green = deploy(&desired(20, &both(Strategy::BlueGreen)), &world.observed()).unwrap();
    assert_eq!(
        verbs(&blue_green),
        [
            "web prepare",
            "new prepare",
            "new test",
            "web start",
            "web health",
            "web switch",
            "new start",
            "new health",
            "new switch",
            "web read back",
            "new read back",
            "web retire",
            "web prune",
            "new prune",
        ]
    );
    assert_eq!(titles(&restart)[3].title, "holds requests and waits for those under way");
    assert_eq!(titles(&restart).len(), restart.steps.len());
}

#[test]
fn what_is_no_longer_wanted_goes_last() {
    let world = deployed(&[Blueprint::web("old", Strategy::Restart), web(Strategy::Restart)]);
    let plan = deploy(&desired(20, &[web(Strategy::Restart).artifact(2)]), &world.observed()).unwrap();
    assert_eq!(verbs(&plan)[6..], ["web read back", "web prune", "old unroute", "old stop", "old remove"]);
    assert_eq!(plan.services.last().unwrap().change, Change::Remove);
    let mut partial = desired(20, &[web(Strategy::Restart)]);
    partial.complete = false;
    assert!(deploy(&partial, &world.observed()).unwrap().is_empty());
}

#[test]
fn nothing_changes_unless_something_differs() {
    let world = deployed(&[web(Strategy::Restart)]);
    let plan = deploy(&desired(20, &[web(Strategy::Restart)]), &world.observed()).unwrap();
    assert!(plan.is_empty() && plan.is_intact());
    assert_eq!(plan.services[0].change, Change::Unchanged);
    world.sicken();
    let plan = deploy(&desired(20, &[web(Strategy::Restart)]), &world.observed()).unwrap();
    let Change::Update { reasons } = &plan.services[0].change else {
        panic!("{:?}", plan.services[0].change)
    };
    assert_eq!(reasons, &[ChangeKind::Drift { what: "instance 1 of 1 is unhealthy".to_owned() }]);
}

#[test]
fn reasons_name_keys_and_never_values() {
    let world = deployed(&[web(Strategy::Restart)]);
    let mut wanted = desired(20, &[web(Strategy::Restart).artifact(2)]);
    let service = &mut wanted.services[0];
    service.spec.env.insert("LOG_LEVEL".to_owned(), Template::text("top-secret-level"));
    service.spec.secrets.push("SECRET_KEY".to_owned());
    service.spec.health.path = Some("/healthz".to_owned());
    service.secrets.insert("SECRET_KEY".to_owned(), Fingerprint("0123456789abcdef".to_owned()));
    let plan = deploy(&wanted, &world.observed()).unwrap();
    let Change::Update { reasons } = &plan.services[0].change else {
        panic!("{:?}", plan.services[0].change)
    };
    let keys = vec!["health.path".to_owned(), "env.LOG_LEVEL".to_owned()];
    let names = vec!["SECRET_KEY".to_owned()];
    assert_eq!(reasons, &[ChangeKind::Artifact, ChangeKind::Config { keys }, ChangeKind::Secrets { names }]);
    let shown = serde_json::to_string(&plan.services).unwrap();
    assert!(!shown.contains("top-secret-level"), "{shown}");
}

#[test]
fn the_forecast_says_how_long_and_why() {
    let forecast = |wanted: &Desired, world: &World, lost: bool| {
        let mut observed = world.observed();
        if lost {
            observed.services.values_mut().for_each(|service| service.boot_ms = None);
        }
        deploy(wanted, &observed).unwrap().services[0].forecast.sentence()
    };
    let world = deployed(&[web(Strategy::Restart)]);
    let mut wanted = desired(20, &[web(Strategy::Restart).artifact(2)]);
    assert_eq!(forecast(&wanted, &world, false), "requests held for about 110 ms: strategy `restart`");
    wanted.services[0].spec.volumes.insert("data".to_owned(), "/data".to_owned());
    assert_eq!(
        forecast(&wanted, &world, false),
        "requests held for about 110 ms: volume `data` has one writer"
    );
    let unmeasured = "requests held for about 2.0 s: volume `data` has one writer; no measured boot yet";
    assert_eq!(forecast(&wanted, &world, true), unmeasured);
    let mut never_stopped = world.observed();
    never_stopped.services.values_mut().for_each(|service| {
        (service.boot_ms, service.stop_ms) = (Some(100), None);
    });
    assert_eq!(
        deploy(&wanted, &never_stopped).unwrap().services[0].forecast.sentence(),
        "requests held for about 600 ms: volume `data` has one writer; no measured stop yet"
    );
    let sentence = |wanted: &[Blueprint]| forecast(&desired(20, wanted), &world, false);
    assert!(sentence(&[web(Strategy::BlueGreen).artifact(2)]).starts_with("no pause"));
    assert_eq!(sentence(&[Blueprint::web("new", Strategy::BlueGreen)]), "not served: new");
    let worker = web(Strategy::BlueGreen).kind(Kind::Worker);
    assert_eq!(sentence(&[worker]), "not served: it has no route any more");
}

#[test]
fn routes_that_others_hold_are_refused() {
    let world = deployed(&[Blueprint::web("api", Strategy::Restart), web(Strategy::Restart)]);
    let wanted = desired(20, &[web(Strategy::Restart).artifact(2)]);
    let mut observed = world.observed();
    observed.taken.push(TakenRoute {
        app: "blog".parse().unwrap(),
        environment: "dev".parse().unwrap(),
        service: "front".parse().unwrap(),
        route: wanted.services[0].spec.route.clone().unwrap(),
    });
    refused(deploy(&wanted, &observed), "service `front` of `blog` in `dev`");
    let clash = [web(Strategy::Restart).host("api").artifact(2)];
    let mut partial = desired(20, &clash);
    partial.complete = false;
    refused(deploy(&partial, &world.observed()), "service `api`");
    let twice =
        [Blueprint::web("a", Strategy::Restart).host("x"), Blueprint::web("b", Strategy::Restart).host("x")];
    refused(deploy(&desired(20, &twice), &World::new().observed()), "service `a`");
}

#[test]
fn a_running_transaction_and_a_used_version_are_refused() {
    let world = deployed(&[web(Strategy::Restart)]);
    let wanted = desired(20, &[web(Strategy::Restart).artifact(2)]);
    let mut observed = world.observed();
    refused(deploy(&desired(10, &[web(Strategy::Restart).artifact(2)]), &observed), "is not later than");
    let mut open = OpenTransaction {
        transaction: TransactionId(12),
        kind: PlanKind::Deploy,
        begun: moment(15),
        running: true,
        done: 3,
        steps: 9,
        doing: "web: health".to_owned(),
        switched: false,
        lease: Some(Lease {
            token: 4,
            holder: "anna@laptop".to_owned(),
            heartbeat: moment(16),
            expires: moment(31),
        }),
    };
    observed.open = Some(open.clone());
    refused(deploy(&wanted, &observed), "by anna@laptop has been running since 2026-11-20T12:00:15");
    refused(rollback(&back(&[], None), &observed), "deploy #12");
    open.running = false;
    observed.open = Some(open);
    assert!(deploy(&wanted, &observed).is_ok(), "one at rest is finished or undone first by who asks");
}

#[test]
fn a_rollback_takes_back_what_was_deployed_last() {
    let world = deployed(&[Blueprint::web("api", Strategy::BlueGreen), web(Strategy::Restart)]);
    refused(rollback(&back(&[], None), &world.observed()), "no earlier release");
    let newer = [Blueprint::web("api", Strategy::BlueGreen), web(Strategy::Restart).artifact(2)];
    deploy_well(&world, &desired(20, &newer), 2);
    let plan = rollback(&back(&[], None), &world.observed()).unwrap();
    assert_eq!(plan.version, version(10));
    assert_eq!(plan.services[0].change, Change::Unchanged);
    assert!(plan.steps.iter().all(|step| step.service().as_str() == "web"));
    assert!(!plan.steps.iter().any(|step| matches!(step, Step::Test { .. })));
    let kept = &plan.releases[plan.services[1].to.as_ref().unwrap()];
    assert_eq!((kept.id.version(), kept.created), (&version(10), moment(10)));
    refused(rollback(&back(&["api"], None), &world.observed()), "`api` has no earlier release");
    refused(rollback(&back(&["nobody"], None), &world.observed()), "no service `nobody`");
    refused(rollback(&back(&[], Some(15)), &world.observed()), "has a release");
    let fault = rollback(&back(&["web"], Some(15)), &world.observed()).unwrap_err();
    assert_eq!(fault.help.as_deref(), Some(format!("kept are {}, {}", version(20), version(10)).as_str()));
    let mut observed = world.observed();
    for service in observed.services.values_mut() {
        service.releases[0].release.schema = Some("3".to_owned());
    }
    refused(rollback(&back(&["web"], None), &observed), "database schema 3");
    assert!(rollback(&back(&["web"], Some(20)), &world.observed()).unwrap().is_empty(), "it serves already");
}

#[test]
fn down_stops_all_before_it_removes_any() {
    let world =
        deployed(&[Blueprint::web("api", Strategy::BlueGreen), web(Strategy::Restart).kind(Kind::Site)]);
    let mut request = DownRequest {
        app: "guestbook".parse().unwrap(),
        environment: "dev".parse().unwrap(),
        services: Vec::new(),
        volumes: true,
        version: version(30),
    };
    let plan = down(&request, &world.observed()).unwrap();
    assert_eq!(verbs(&plan), ["api unroute", "api stop", "web unroute", "api remove", "web remove"]);
    assert!(down(&request, &World::new().observed()).unwrap().is_empty());
    request.services.push("nobody".parse().unwrap());
    refused(down(&request, &world.observed()), "no service `nobody`");
    assert_eq!(Pause::Down, plan.services[0].forecast.pause);
}
