//! Runs one plan with faults, finishes what stays open, and looks whether the end is a good one.

use std::path::{Path, PathBuf};

use landfall_engine::{Ended, Journal, Order, read, resume, run, undo};
use landfall_model::{Event, Fault, FaultKind, Outcome, Plan, TransactionId};
use landfall_plan::{Desired, deploy};
use landfall_testkit::simulation::{Fault as Luck, Snapshot, World};

/// One transaction on a world.
pub(crate) struct Trial<'a> {
    pub(crate) world: &'a World,
    pub(crate) plan: &'a Plan,
    pub(crate) before: Snapshot,
    pub(crate) path: PathBuf,
    pub(crate) transaction: u64,
}

/// How to go on with what stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Resume,
    Undo,
}

impl<'a> Trial<'a> {
    pub(crate) fn new(world: &'a World, plan: &'a Plan, transaction: u64) -> Self {
        let path = Path::new("/state/journal").join(format!("{transaction:08}.journal"));
        Self { world, plan, before: world.snapshot(), path, transaction }
    }

    pub(crate) fn run(&self, faults: &[Luck]) -> Ended {
        self.world.watch(self.plan);
        self.world.inject(faults);
        let order = Order {
            transaction: TransactionId(self.transaction),
            plan: self.plan.clone(),
            holder: "anna@laptop".to_owned(),
            bytes_shipped: 12,
        };
        run(&self.world.context(), &self.path, order)
    }

    pub(crate) fn go_on(&self, way: Way, faults: &[Luck]) -> Result<Ended, Fault> {
        self.world.inject(faults);
        match way {
            Way::Resume => resume(&self.world.context(), &self.path),
            Way::Undo => undo(&self.world.context(), &self.path),
        }
    }

    /// Goes on without faults; where only the way forward is left, that one.
    pub(crate) fn finish(&self, way: Way) -> Ended {
        match self.go_on(way, &[]) {
            Ok(ended) => ended,
            Err(fault) => {
                assert_eq!((way, fault.kind), (Way::Undo, FaultKind::Refused), "{fault:?}");
                self.go_on(Way::Resume, &[]).expect("the way forward is open")
            }
        }
    }

    pub(crate) fn journal(&self) -> Option<Journal> {
        self.world.inject(&[]);
        read(self.world, &self.path).expect("the journal can be read")
    }

    /// The transaction has ended, in the desired state or in the old one, and nothing forbidden was seen on the way.
    #[track_caller]
    pub(crate) fn ends_well(&self, ended: &Ended, story: &str) {
        let violations = self.world.violations();
        assert!(violations.is_empty(), "{story}: {violations:#?}\n{}", self.steps());
        match ended.outcome {
            Outcome::Done | Outcome::Unchanged => {
                let mut wrong = self.world.differs_from(self.plan);
                // An old release that could not be handed over is said to be left for later, and the next plan takes it.
                let later =
                    |event: &Event| matches!(event, Event::Note { text } if text.contains("left for later"));
                if self.world.events().iter().any(later) {
                    wrong.retain(|what| !what.contains("runs still"));
                }
                assert!(wrong.is_empty(), "{story}: done, and yet {wrong:#?}\n{}", self.steps());
            }
            Outcome::RolledBack => {
                let now = self.world.snapshot();
                assert_eq!(now, self.before, "{story}: rolled back\n{}", self.steps());
            }
            Outcome::Interrupted | Outcome::NeedsPerson => {
                panic!("{story}: still open: {:?}\n{}", ended.fault, self.steps())
            }
        }
        if let Some(journal) = self.journal() {
            let said = journal.ended.map(|said| said.outcome);
            assert_eq!(said, Some(ended.outcome), "{story}: what the journal says");
        }
    }

    fn steps(&self) -> String {
        let steps = self.plan.steps.iter().enumerate();
        steps.map(|(index, step)| format!("  {index} {} {}\n", step.service(), step.verb())).collect()
    }
}

/// Deploys without faults and lets everything old go.
#[track_caller]
pub(crate) fn deploy_well(world: &World, desired: &Desired, transaction: u64) {
    let plan = deploy(desired, &world.observed()).expect("a plan");
    let trial = Trial::new(world, &plan, transaction);
    let ended = trial.run(&[]);
    assert_eq!(ended.outcome, Outcome::Done, "{:?}", ended.fault);
    trial.ends_well(&ended, "without faults");
    world.settle();
}
