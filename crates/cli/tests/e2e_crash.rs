//! SIGKILL at every moment of a deploy. The moments are read from the journal of a deploy that went well, so that a new
//! step is covered by itself. All the while requests are sent, and none may be lost.

use std::path::Path;
use std::time::Duration;

use landfall_testkit::app::Tiny;
use landfall_testkit::ask::ask;
use landfall_testkit::journal::{Moment, moments, newest, steps, wait_for_moment};
use landfall_testkit::load::{Load, LoadPlan};
use landfall_testkit::sandbox::{LIMIT, Sandbox, free_address, signal};
use landfall_testkit::wait::{wait_for, wait_until};
use rustix::process::Signal;

const PLACE: (&str, &str) = ("tiny", "dev");

/// How long the background may take to stop what was replaced.
const SETTLED: Duration = Duration::from_secs(180);

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Cli,
    Agent,
    Both,
}

/// What a person does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Resume,
    Undo,
    /// Deploys again as if nothing had been.
    Deploy,
    /// Nothing: who is left finishes it.
    None,
}

struct World {
    sandbox: Sandbox,
    tiny: Tiny,
    serves: String,
    turn: u32,
}

impl World {
    fn new(strategy: &str) -> Self {
        let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
        let tiny = Tiny::new(PLACE.0, &free_address(), strategy)
            .key(r#"build = "echo built > built.txt""#)
            .key(r#"test = ["true"]"#);
        let mut world = Self { sandbox, tiny, serves: String::new(), turn: 0 };
        for _ in 0..2 {
            let next = world.write_next();
            world.sandbox.run(&["deploy"]).ok();
            world.serves = next;
        }
        world
    }

    /// Changes a line of the source and gives what the application will say.
    fn write_next(&mut self) -> String {
        self.turn += 1;
        let says = format!("turn {}", self.turn);
        self.sandbox.write_tiny(&self.tiny.clone().says(&says));
        says
    }

    fn newest(&self) -> std::path::PathBuf {
        newest(self.sandbox.state(), PLACE.0, PLACE.1).expect("there was a deploy")
    }

    /// The moments of the last deploy at which something was yet to be done.
    fn moments(&self) -> Vec<Moment> {
        let journal = self.newest();
        let all = moments(&journal);
        assert!(all.iter().any(|moment| moment.record == "ended"), "{all:?}");
        let intents = all.iter().filter(|moment| moment.record == "intent").count();
        assert_eq!(intents, steps(&journal).len(), "every step is intended once: {all:?}");
        all.into_iter().filter(|moment| moment.record != "ended" && moment.record != "done").collect()
    }

    /// Begins a deploy, kills at the moment, and ends as told; what must serve then is seen to serve.
    fn crash(&mut self, moment: &Moment, victim: Victim, ending: Ending) {
        let before = self.newest();
        let next = self.write_next();
        let agent = self.sandbox.process(&["agent", "run"]).expect("the agent runs");
        let deploy = self.sandbox.spawn(&["deploy"]);
        let journal = wait_for_moment(self.sandbox.state(), PLACE, Some(&before), moment, LIMIT);
        let journal = journal.unwrap_or_else(|| panic!("{moment:?} never came: {}", deploy.so_far()));
        if victim != Victim::Agent {
            deploy.signal(Signal::KILL);
        }
        if victim != Victim::Cli {
            signal(agent.pid, Signal::KILL);
        }
        let ran = deploy.wait(LIMIT);
        let was_open = victim != Victim::Cli && !has_ended(&journal);
        eprintln!("{victim:?} killed at {moment:?}, open: {was_open}, then {ending:?}");
        if was_open {
            assert!(matches!(ran.code, None | Some(5)), "{moment:?}: {ran}");
            if victim == Victim::Agent {
                assert!(
                    ran.stderr.contains("landfall resume") && ran.stderr.contains("landfall undo"),
                    "{ran}"
                );
            }
            self.sandbox.run(&["status"]).ok().says("interrupted");
        }
        self.finish(moment, ending, was_open, &next);
    }

    fn finish(&mut self, moment: &Moment, ending: Ending, was_open: bool, next: &str) {
        match ending {
            Ending::Resume if was_open => drop(self.sandbox.run(&["resume"]).ok()),
            Ending::Undo if was_open => drop(self.sandbox.run(&["undo"]).ok()),
            Ending::Deploy => drop(self.sandbox.run(&["deploy"]).ok()),
            Ending::Resume | Ending::Undo | Ending::None => {}
        }
        if !(ending == Ending::Undo && was_open) {
            next.clone_into(&mut self.serves);
        }
        if ending == Ending::None {
            wait_until("the agent has finished it", LIMIT, || self.answers() == self.serves);
            wait_until("it is written down", LIMIT, || has_ended(&self.newest()));
        }
        assert_eq!(self.answers(), self.serves, "{moment:?} {ending:?}");
        let status = self.sandbox.run(&["status"]).ok();
        assert!(!status.stdout.contains("interrupted"), "{status}");
    }

    fn answers(&self) -> String {
        let answer = ask(&self.tiny.listen, &self.tiny.host(), "/").expect("somebody answers");
        answer.body.lines().next().unwrap_or_default().to_owned()
    }

    /// Only what serves still runs.
    fn assert_settled(&self) {
        let applications = || {
            let all = self.sandbox.processes();
            all.into_iter()
                .filter(|process| process.arguments.last().is_some_and(|last| last == "tiny.py"))
                .count()
        };
        let settled = wait_for(SETTLED, || (applications() == 1).then_some(()));
        let left = || format!("{:#?}\n{}", self.sandbox.processes(), self.sandbox.run(&["status"]));
        assert!(settled.is_some(), "more than one release runs: {}", left());
    }
}

fn has_ended(journal: &Path) -> bool {
    moments(journal).iter().any(|moment| moment.record == "ended")
}

fn kill_at_every_moment(strategy: &str, victim: Victim, ending: Ending) {
    let mut world = World::new(strategy);
    let all = world.moments();
    assert!(all.len() >= 6, "a deploy has more steps: {all:?}");
    let load = Load::start(LoadPlan::new(&world.tiny.listen, &world.tiny.host(), 100));
    for moment in &all {
        world.crash(moment, victim, ending);
    }
    // It is still able to do all of it without an accident.
    let next = world.write_next();
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!(world.answers(), next);
    let _ = load.stop().lost_nothing();
    world.assert_settled();
}

#[test]
fn a_restart_whose_agent_is_killed_is_finished_by_resume() {
    kill_at_every_moment("restart", Victim::Agent, Ending::Resume);
}

#[test]
fn a_restart_whose_agent_is_killed_is_taken_back_by_undo() {
    kill_at_every_moment("restart", Victim::Agent, Ending::Undo);
}

#[test]
fn a_restart_where_everything_is_killed_is_settled_by_the_next_deploy() {
    kill_at_every_moment("restart", Victim::Both, Ending::Deploy);
}

#[test]
fn a_restart_whose_cli_is_killed_is_finished_by_the_agent() {
    kill_at_every_moment("restart", Victim::Cli, Ending::None);
}

#[test]
fn a_blue_green_whose_agent_is_killed_is_finished_by_resume() {
    kill_at_every_moment("blue-green", Victim::Agent, Ending::Resume);
}

#[test]
fn a_blue_green_whose_agent_is_killed_is_taken_back_by_undo() {
    kill_at_every_moment("blue-green", Victim::Agent, Ending::Undo);
}

#[test]
fn a_blue_green_where_everything_is_killed_is_settled_by_the_next_deploy() {
    kill_at_every_moment("blue-green", Victim::Both, Ending::Deploy);
}

#[test]
fn a_blue_green_whose_cli_is_killed_is_finished_by_the_agent() {
    kill_at_every_moment("blue-green", Victim::Cli, Ending::None);
}

#[test]
fn a_rollback_whose_agent_is_killed_is_finished_by_resume() {
    let mut world = World::new("restart");
    let load = Load::start(LoadPlan::new(&world.tiny.listen, &world.tiny.host(), 100));
    let mut before = world.serves.clone();
    let mut deploy = |world: &mut World| {
        let old = world.write_next();
        world.sandbox.run(&["deploy"]).ok();
        std::mem::replace(&mut before, old)
    };
    let old = deploy(&mut world);
    world.sandbox.run(&["rollback"]).ok();
    assert_eq!(world.answers(), old);
    for moment in world.moments() {
        deploy(&mut world);
        let old = deploy(&mut world);
        let journal = world.newest();
        let agent = world.sandbox.process(&["agent", "run"]).expect("the agent runs");
        let rollback = world.sandbox.spawn(&["rollback"]);
        let journal = wait_for_moment(world.sandbox.state(), PLACE, Some(&journal), &moment, LIMIT);
        let journal = journal.unwrap_or_else(|| panic!("{moment:?} never came: {}", rollback.so_far()));
        signal(agent.pid, Signal::KILL);
        let _ = rollback.wait(LIMIT);
        if !has_ended(&journal) {
            world.sandbox.run(&["resume"]).ok();
        }
        assert_eq!(world.answers(), old, "{moment:?}");
    }
    let _ = load.stop().lost_nothing();
    world.assert_settled();
}

#[test]
fn a_down_whose_agent_is_killed_is_finished_by_resume() {
    let mut world = World::new("blue-green");
    // The first one finds an old release beside the one that serves; those in the loop do not.
    world.sandbox.run(&["down", "--yes"]).ok();
    world.write_next();
    world.sandbox.run(&["deploy"]).ok();
    world.sandbox.run(&["down", "--yes"]).ok();
    for moment in world.moments() {
        let next = world.write_next();
        world.sandbox.run(&["deploy"]).ok();
        assert_eq!(world.answers(), next);
        let before = world.newest();
        let agent = world.sandbox.process(&["agent", "run"]).expect("the agent runs");
        let down = world.sandbox.spawn(&["down", "--yes"]);
        let journal = wait_for_moment(world.sandbox.state(), PLACE, Some(&before), &moment, LIMIT);
        let journal = journal.unwrap_or_else(|| panic!("{moment:?} never came: {}", down.so_far()));
        signal(agent.pid, Signal::KILL);
        let _ = down.wait(LIMIT);
        if !has_ended(&journal) {
            world.sandbox.run(&["resume"]).ok();
        }
        world.sandbox.run(&["status"]).ok().says("nothing is deployed");
    }
    // What was taken down comes back with the next deploy.
    let next = world.write_next();
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!(world.answers(), next);
    world.assert_settled();
}

#[test]
fn taking_back_can_be_killed_as_well() {
    let mut world = World::new("blue-green");
    let switched = world.moments().into_iter().last().expect("a deploy has steps");
    let load = Load::start(LoadPlan::new(&world.tiny.listen, &world.tiny.host(), 100));
    // What there is to take back is learnt from one undo that is left alone.
    let undo_after = |world: &mut World, kill_at: Option<&Moment>| -> Vec<Moment> {
        let before = world.newest();
        world.write_next();
        let deploy = world.sandbox.spawn(&["deploy"]);
        let journal = wait_for_moment(world.sandbox.state(), PLACE, Some(&before), &switched, LIMIT)
            .expect("the moment");
        assert!(world.sandbox.kill_agent());
        deploy.wait(LIMIT);
        if has_ended(&journal) {
            // Killed a moment too late. Any command brings the agent back, which finishes what goes on behind it.
            world.sandbox.run(&["status"]).ok();
            world.serves = world.answers();
            return Vec::new();
        }
        if let Some(kill_at) = kill_at {
            let undo = world.sandbox.spawn(&["undo"]);
            let seen = wait_for_moment(world.sandbox.state(), PLACE, Some(&before), kill_at, LIMIT);
            assert!(seen.is_some(), "{kill_at:?} never came: {}", undo.so_far());
            assert!(world.sandbox.kill_agent());
            undo.wait(LIMIT);
        }
        if !has_ended(&journal) {
            world.sandbox.run(&["undo"]).ok();
        }
        assert_eq!(world.answers(), world.serves);
        moments(&journal).into_iter().filter(|moment| moment.record == "undo-intent").collect()
    };
    let all = wait_for(LIMIT, || Some(undo_after(&mut world, None)).filter(|all| !all.is_empty()));
    let all = all.expect("one of many is killed in time");
    for moment in &all {
        undo_after(&mut world, Some(moment));
    }
    let _ = load.stop().lost_nothing();
    world.assert_settled();
}

#[test]
fn a_cli_killed_before_it_handed_its_plan_over_has_done_nothing() {
    let mut world = World::new("restart");
    let load = Load::start(LoadPlan::new(&world.tiny.listen, &world.tiny.host(), 100));
    for _ in 0..5 {
        let next = world.write_next();
        let deploy = world.sandbox.spawn(&["deploy"]);
        deploy.signal(Signal::KILL);
        deploy.wait(LIMIT);
        world.sandbox.run(&["deploy"]).ok();
        assert_eq!(world.answers(), next);
    }
    let _ = load.stop().lost_nothing();
}

#[test]
fn an_interrupted_deploy_stops_before_its_next_step_and_can_be_finished() {
    let mut world = World::new("blue-green");
    let next = world.write_next();
    world.sandbox.edit("landfall.toml", "echo built > built.txt", "sleep 1; echo built > built.txt");
    let before = world.newest();
    let deploy = world.sandbox.spawn(&["deploy"]);
    let begun = Moment { record: "intent".to_owned(), step: Some(0) };
    let seen = wait_for_moment(world.sandbox.state(), PLACE, Some(&before), &begun, LIMIT);
    assert!(seen.is_some(), "{}", deploy.so_far());
    deploy.signal(Signal::INT);
    let _ = deploy.wait(LIMIT).code(130);
    assert_eq!(world.answers(), world.serves, "the old release serves");
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!(world.answers(), next);
}

#[test]
fn a_proxy_and_a_supervisor_that_are_killed_come_back() {
    let world = World::new("restart");
    let shim = world.sandbox.process(&["shim"]).expect("the instance has a supervisor");
    let load = Load::start(LoadPlan::new(&world.tiny.listen, &world.tiny.host(), 100));
    signal(shim.pid, Signal::KILL);
    wait_until("a new supervisor stands beside the instance", Duration::from_secs(20), || {
        world.sandbox.process(&["shim"]).is_some_and(|now| now.pid != shim.pid)
    });
    let _ = load.stop().lost_nothing();
    let before = world.sandbox.info();
    signal(before.proxy_pid.expect("the proxy runs"), Signal::KILL);
    wait_until("the proxy serves again", Duration::from_secs(20), || {
        ask(&world.tiny.listen, &world.tiny.host(), "/")
            .is_ok_and(|answer| answer.body.contains(&world.serves))
    });
    // The instance was not touched by any of it.
    world.sandbox.run(&["deploy"]).ok().says("nothing changed");
    assert_ne!(world.sandbox.info().proxy_pid, before.proxy_pid);
}
