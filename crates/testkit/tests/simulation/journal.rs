//! The journal under damage: cut anywhere, changed anywhere, it is read as far as it is good, and the transaction
//! still ends well.

use landfall_engine::{Progress, Way as Shorter, read, shorter_way};
use landfall_fx::Files as _;
use landfall_model::{Event, Outcome, Strategy};
use landfall_plan::deploy;
use landfall_testkit::simulation::{Blueprint, Fault, World, desired};

use crate::trial::{Trial, Way, deploy_well};

fn two_worlds() -> (World, landfall_model::Plan) {
    let world = World::new();
    let old = [Blueprint::web("api", Strategy::BlueGreen), Blueprint::web("web", Strategy::Restart)];
    deploy_well(&world, &desired(10, &old), 1);
    let new = old.map(|blueprint| blueprint.artifact(3));
    let plan = deploy(&desired(20, &new), &world.observed()).unwrap();
    (world, plan)
}

/// The end of the first line: behind it, damage costs records; before it, there is no transaction.
fn first_line(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1
}

#[test]
fn cut_at_any_byte_it_tells_what_is_left() {
    let (world, plan) = two_worlds();
    let trial = Trial::new(&world, &plan, 2);
    assert_eq!(trial.run(&[]).outcome, Outcome::Done);
    let bytes = world.read(&trial.path).unwrap();
    let first = first_line(&bytes);
    let near = (first.saturating_sub(200)..bytes.len()).chain((0..first).step_by(97));
    for length in near {
        world.tamper(&trial.path, &bytes[..length]);
        let journal = read(&world, &trial.path).unwrap();
        assert_eq!(journal.is_some(), length >= first, "cut at {length}");
        let Some(journal) = journal else { continue };
        let whole = bytes[length - 1] == b'\n';
        assert_eq!(journal.cut.is_none(), whole, "cut at {length}");
        assert!(journal.cut.is_none_or(|cut| cut.torn && cut.line > 1));
        assert!(journal.ended.is_none());
    }
}

#[test]
fn changed_at_any_line_it_still_ends_well() {
    let (world, plan) = two_worlds();
    let plain = world.fork();
    let trial = Trial::new(&plain, &plan, 2);
    let _ = trial.run(&[]);
    let total = plain.effects();
    for at in (20..total).step_by(3) {
        for way in [Way::Resume, Way::Undo] {
            for back in [1, 40, 300] {
                let world = world.fork();
                let trial = Trial::new(&world, &plan, 2);
                let _ = trial.run(&[Fault::KillAfter(at)]);
                world.inject(&[]);
                let mut bytes = world.read(&trial.path).unwrap();
                let place = bytes.len().saturating_sub(back).max(first_line(&bytes));
                let Some(byte) = bytes.get_mut(place) else { continue };
                *byte ^= 1;
                world.tamper(&trial.path, &bytes);
                let ended = trial.finish(way);
                trial.ends_well(
                    &ended,
                    &format!("killed after {at}, a bit changed {back} bytes from the end, {way:?}"),
                );
                if world
                    .events()
                    .iter()
                    .any(|event| matches!(event, Event::Note { text } if text.contains("cut off")))
                {
                    let mut aside = trial.path.clone().into_os_string();
                    aside.push(".cut");
                    assert!(!world.read(aside.as_ref()).unwrap().is_empty());
                }
            }
        }
    }
}

#[test]
fn an_open_journal_says_what_was_going_on() {
    let (world, plan) = two_worlds();
    let (mut undos, mut resumes) = (0, 0);
    for at in 8..200 {
        let world = world.fork();
        let trial = Trial::new(&world, &plan, 2);
        let _ = trial.run(&[Fault::KillBefore(at)]);
        if !world.killed() {
            break;
        }
        let journal = trial.journal().unwrap();
        if journal.ended.is_some() {
            break;
        }
        let doing = journal.doing();
        match shorter_way(&journal) {
            Shorter::Undo => undos += 1,
            Shorter::Resume => resumes += 1,
        }
        assert_eq!(shorter_way(&journal) == Shorter::Resume, journal.switched());
        assert!(
            doing.starts_with("api: ") || doing.starts_with("web: ") || doing.starts_with("writing"),
            "{doing}"
        );
        if let Some(open) = journal.open_step() {
            assert_eq!(journal.steps[open], Progress::Open);
            assert_eq!(journal.done(), open);
        }
    }
    assert!(undos > 5 && resumes > 5, "{undos} {resumes}");
}

#[test]
fn what_is_committed_is_not_aborted_any_more() {
    let (world, plan) = two_worlds();
    let (mut late, mut back) = (0, 0);
    for at in 8..200 {
        let killed = world.fork();
        let trial = Trial::new(&killed, &plan, 2);
        let _ = trial.run(&[Fault::KillAfter(at)]);
        let Some(journal) = trial.journal().filter(|journal| journal.ended.is_none()) else { break };
        let aborted = world.fork();
        let ended = Trial::new(&aborted, &plan, 2).run(&[Fault::Abort(at)]);
        back += u32::from(ended.outcome == Outcome::RolledBack);
        if journal.is_committed() {
            late += 1;
            assert_eq!(ended.outcome, Outcome::Done, "aborted after {at}: {:?}", journal.doing());
        }
    }
    assert!(late > 0 && back > 5, "{late} too late, {back} taken back");
}
