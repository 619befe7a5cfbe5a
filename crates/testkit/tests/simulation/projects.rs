//! Compose projects that a manifest names: taken over from nobody, never from somebody, and never mixed up.

use landfall_model::{
    Compose, FaultKind, Observed, ObservedProject, Pause, ProjectOwner, Runtime, SecretsAs, Step, Strategy,
};
use landfall_plan::{Desired, deploy};
use landfall_testkit::simulation::{Blueprint, World, desired};

/// One service that is a compose project of this name, or of Landfall's own.
fn shop(at: u64, artifact: u8, project: Option<&str>) -> Desired {
    let mut wanted = desired(at, &[Blueprint::web("web", Strategy::Restart).artifact(artifact)]);
    for service in &mut wanted.services {
        service.spec.runtime = Runtime::Compose;
        service.spec.compose = Some(Compose {
            files: vec!["compose.yaml".to_owned()],
            project: project.map(str::to_owned),
            profiles: Vec::new(),
            service: None,
            port: None,
            secrets_as: SecretsAs::Env,
        });
    }
    wanted
}

fn observed(world: &World, project: ObservedProject) -> Observed {
    Observed { projects: vec![project], ..world.observed() }
}

fn found() -> ObservedProject {
    ObservedProject {
        name: "shop".to_owned(),
        found: vec!["shop-db-1".to_owned(), "shop-web-1".to_owned()],
        volumes: vec!["shop_data".to_owned()],
        files: vec!["/srv/shop/compose.yaml".to_owned()],
        ..ObservedProject::default()
    }
}

#[test]
fn what_nobody_deployed_is_taken_over_and_told() {
    let world = World::new();
    let plan = deploy(&shop(20, 1, Some("shop")), &observed(&world, found())).unwrap();
    let line = &plan.services[0];
    assert_eq!(line.forecast.pause, Pause::Down);
    assert!(line.forecast.pause_ms > 0 && line.forecast.reason.contains("that run in `shop`"));
    let notes = line.notes.join("\n");
    assert!(
        notes.contains("compose makes shop-db-1, shop-web-1 anew; its volume shop_data stays"),
        "{notes}"
    );
    assert!(notes.contains("is brought back from /srv/shop/compose.yaml"), "{notes}");
    let lost = ObservedProject { files: Vec::new(), volumes: Vec::new(), ..found() };
    let plan = deploy(&shop(20, 1, Some("shop")), &observed(&world, lost)).unwrap();
    assert!(plan.services[0].notes.join("\n").contains("cannot be brought back"));
    // One that nobody named is none of ours.
    let plan = deploy(&shop(20, 1, None), &observed(&world, found())).unwrap();
    assert!(plan.services[0].notes.is_empty() && plan.services[0].forecast.pause_ms == 0);
}

#[test]
fn what_somebody_has_is_refused() {
    let world = World::new();
    let owner = |environment: &str| ObservedProject {
        owners: vec![ProjectOwner {
            app: "guestbook".parse().unwrap(),
            environment: environment.parse().unwrap(),
            service: "web".parse().unwrap(),
        }],
        ..found()
    };
    let fault = deploy(&shop(20, 1, Some("shop")), &observed(&world, owner("staging"))).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Refused);
    assert!(fault.message.contains("service `web` of `guestbook` in `staging` has it"), "{fault:?}");
    deploy(&shop(20, 1, Some("shop")), &observed(&world, owner("dev"))).unwrap();
    let foreign = ObservedProject { foreign: vec!["shop-web-1".to_owned()], ..found() };
    let fault = deploy(&shop(20, 1, Some("shop")), &observed(&world, foreign)).unwrap_err();
    assert!(fault.message.contains("shop-web-1 in it is of another agent"), "{fault:?}");
}

#[test]
fn another_name_is_another_project() {
    let world = World::new();
    crate::trial::deploy_well(&world, &shop(10, 1, None), 1);
    let stops = |wanted: &Desired| {
        let plan = deploy(wanted, &world.observed()).unwrap();
        let stops = plan.steps.iter().filter(|step| matches!(step, Step::Stop { .. })).count();
        (stops, plan.services[0].notes.join("\n"))
    };
    assert_eq!(stops(&shop(20, 2, None)).0, 0, "made of the other in place");
    assert_eq!(stops(&shop(20, 2, Some("guestbook_dev_web"))).0, 0, "the same name, written out");
    let (stopped, notes) = stops(&shop(20, 2, Some("shop")));
    assert_eq!(stopped, 1);
    assert!(notes.contains("from the compose project `guestbook_dev_web` to `shop`"), "{notes}");
}
