//! Random sequences of deploys, rollbacks and downs with random faults: each ends in the desired state or in the old.

use landfall_model::{
    Fault as ModelFault, FaultKind, Kind, Millis, Outcome, Plan, Rolling, Runtime, Strategy as Takeover,
};
use landfall_plan::{DownRequest, RollbackRequest, deploy, down, rollback};
use landfall_testkit::simulation::{Behaviour, Blueprint, Fault, World, desired, version};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, RngAlgorithm, TestRng, TestRunner};

use crate::trial::{Trial, Way};

const NAMES: [&str; 3] = ["api", "web", "work"];
const CASES: u32 = 1_000;

#[derive(Debug, Clone)]
enum Act {
    Deploy { services: Vec<Blueprint>, behaviour: Behaviour, complete: bool },
    Rollback,
    Down { service: Option<&'static str> },
}

#[derive(Debug, Clone)]
struct Turn {
    act: Act,
    faults: Vec<Fault>,
    way: Way,
    reboot: bool,
    sicken: bool,
    drain_at_once: bool,
    /// Whether what is drained is gone before the next turn.
    settle: bool,
}

fn service(name: &'static str) -> impl Strategy<Value = Option<Blueprint>> {
    let kind = prop_oneof![3 => Just(Kind::Web), 1 => Just(Kind::Worker), 1 => Just(Kind::Site)];
    let takeover = prop_oneof![
        Just(Takeover::Restart),
        Just(Takeover::BlueGreen),
        Just(Takeover::Rolling),
        Just(Takeover::Canary)
    ];
    let bounds = proptest::sample::select(&[(0, 1), (1, 0), (1, 1), (2, 2)][..]);
    let warm = proptest::sample::select(&[0, 60][..]);
    let host = prop_oneof![4 => Just(name), 1 => proptest::sample::select(&NAMES[..])];
    let bounds = (bounds, proptest::bool::weighted(0.25));
    (any::<bool>(), kind, takeover, 1..5_u32, 0..10_u8, host, any::<bool>(), 1..4_u32, bounds, warm).prop_map(
        move |(there, kind, strategy, replicas, artifact, host, tested, keep, (bounds, compose), warm)| {
            // Only what has requests can be judged.
            let judged = strategy == Takeover::Canary && kind == Kind::Worker;
            let strategy = if judged { Takeover::BlueGreen } else { strategy };
            // One project, which changes in place.
            let compose = compose && kind != Kind::Site;
            let (strategy, replicas) = if compose { (Takeover::Restart, 1) } else { (strategy, replicas) };
            let runtime = if compose { Runtime::Compose } else { Runtime::Process };
            let (bounds, warm) =
                (Rolling { max_unavailable: bounds.0, max_surge: bounds.1 }, Millis::seconds(warm));
            let keep = Blueprint {
                kind,
                runtime,
                replicas,
                artifact,
                host,
                tested,
                keep,
                bounds,
                warm,
                ..Blueprint::web(name, strategy)
            };
            there.then_some(keep)
        },
    )
}

fn act() -> impl Strategy<Value = Act> {
    let behaviour = prop_oneof![
        3 => Just(Behaviour::Well),
        1 => Just(Behaviour::DoesNotBuild),
        1 => Just(Behaviour::FailsTests),
        1 => Just(Behaviour::DoesNotStart),
        1 => Just(Behaviour::NeverHealthy),
        1 => Just(Behaviour::FailsInService),
        1 => Just(Behaviour::FailsRequests),
    ];
    let services = (service(NAMES[0]), service(NAMES[1]), service(NAMES[2]));
    let deploys = (services, behaviour, any::<bool>()).prop_map(|((a, b, c), behaviour, complete)| {
        Act::Deploy { services: [a, b, c].into_iter().flatten().collect(), behaviour, complete }
    });
    prop_oneof![
        6 => deploys,
        2 => Just(Act::Rollback),
        1 => proptest::option::of(proptest::sample::select(&NAMES[..])).prop_map(|service| Act::Down { service }),
    ]
}

fn turn() -> impl Strategy<Value = Turn> {
    let fault = (0..7_u8, 1..130_u64).prop_map(|(kind, at)| match kind {
        0 => Fault::Fail(at),
        1 => Fault::Full(at),
        2 => Fault::KillBefore(at),
        3 => Fault::KillAfter(at),
        4 => Fault::Promote(at),
        5 => Fault::Abort(at),
        _ => Fault::Cancel(at),
    });
    let rarely = || proptest::bool::weighted(0.1);
    let way = prop_oneof![Just(Way::Resume), Just(Way::Undo)];
    (act(), proptest::collection::vec(fault, 0..3), way, rarely(), rarely(), any::<bool>(), any::<bool>())
        .prop_map(|(act, faults, way, reboot, sicken, drain_at_once, settle)| Turn {
            act,
            faults,
            way,
            reboot,
            sicken,
            drain_at_once,
            settle,
        })
}

fn plan_of(turn: &Turn, number: u64, world: &World) -> Result<Plan, ModelFault> {
    let observed = world.observed();
    let (app, environment) = ("guestbook".parse().unwrap(), "dev".parse().unwrap());
    match &turn.act {
        Act::Deploy { services, complete, .. } => {
            let mut wanted = desired(number * 10, services);
            wanted.complete = *complete;
            // The same inputs give the same bytes.
            let plan = deploy(&wanted, &observed);
            assert_eq!(plan, deploy(&wanted, &observed));
            plan
        }
        Act::Rollback => {
            rollback(&RollbackRequest { app, environment, services: Vec::new(), to: None }, &observed)
        }
        Act::Down { service } => {
            let services: Vec<_> = service.iter().map(|name| name.parse().unwrap()).collect();
            let version = version(number * 10);
            down(&DownRequest { app, environment, services, volumes: false, version }, &observed)
        }
    }
}

fn play(turns: &[Turn]) -> Result<(), TestCaseError> {
    let world = World::new();
    for (number, turn) in (1..).zip(turns) {
        let artifact = 10 + u8::try_from(number).unwrap();
        world.inject(&[]);
        if turn.settle {
            world.settle();
        }
        world.drain_at_once(turn.drain_at_once);
        if turn.sicken {
            world.sicken();
        }
        let mut turn = turn.clone();
        if let Act::Deploy { services, behaviour, .. } = &mut turn.act {
            // One service of each deploy may be bad; it is new each time, so that old ones stay as they were.
            if let Some(first) = services.first_mut().filter(|_| *behaviour != Behaviour::Well) {
                first.artifact = artifact;
                world.behave(artifact, *behaviour);
            }
        }
        let plan = match plan_of(&turn, number, &world) {
            Ok(plan) => plan,
            Err(refused) => {
                prop_assert_eq!(refused.kind, FaultKind::Refused, "{:?}", refused);
                continue;
            }
        };
        prop_assert!(plan.is_intact());
        let trial = Trial::new(&world, &plan, number);
        let mut ended = trial.run(&turn.faults);
        let mut lenient = false;
        if world.killed() || ended.is_open() {
            lenient =
                turn.faults.iter().any(|fault| matches!(fault, Fault::Fail(_))) || turn.faults.len() > 1;
            if turn.reboot {
                world.reboot();
            }
            ended = trial.finish(turn.way);
        }
        if lenient {
            // Where taking back failed too, a pause is not ruled out; the end is.
            let _ = world.violations();
        }
        if turn.sicken && ended.outcome == Outcome::RolledBack {
            // What was ill is started again or left alone: nothing is promised of it.
            let _ = world.violations();
            continue;
        }
        trial.ends_well(&ended, &format!("turn {number} of {turns:#?}"));
    }
    Ok(())
}

#[test]
fn plan_and_apply_end_in_the_desired_state_or_the_old_one() {
    let config = Config {
        cases: CASES,
        source_file: Some(file!()),
        max_shrink_iters: 2_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::SourceParallel("proptest-regressions"))),
        ..Config::default()
    };
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(config, seed);
    let turns = proptest::collection::vec(turn(), 1..6);
    if let Err(failure) = runner.run(&turns, |turns| play(&turns)) {
        panic!("{failure}");
    }
}
