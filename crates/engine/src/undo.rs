//! Takes a transaction back: every step that was begun, in reverse, each with records of its own.

use std::collections::BTreeSet;

use landfall_model::{Event, Fault, Kind, Outcome, Release, ServiceName, ServicePlan, Step};

use crate::back::{Back, actions};
use crate::context::Ended;
use crate::driver::{Driver, Halt};
use crate::effects::take_back;
use crate::faults;
use crate::journal::Record;

impl Driver<'_> {
    /// Takes everything back and ends the transaction; it stays open when that fails. `why` is the failure that makes
    /// it so, `None` when a person asked.
    pub(crate) fn take_all_back(mut self, why: Option<Fault>) -> Ended {
        match self.back(why.clone()) {
            Err(Halt(ended)) => ended,
            Ok(failures) if failures.is_empty() => {
                let fault = why.map(|why| faults::rolled_back(why, self.outlook.plan));
                self.end(Outcome::RolledBack, fault)
            }
            Ok(failures) => {
                let fault = faults::stuck_back(why, &failures, &self.outlook.plan.environment);
                Ended::without_receipts(Outcome::NeedsPerson, fault)
            }
        }
    }

    /// What could not be taken back, a sentence each.
    fn back(&mut self, why: Option<Fault>) -> Result<Vec<String>, Halt> {
        self.fence()?;
        self.write(&Record::UndoBegun { why: why.map(Box::new) })?;
        self.emit(Event::UndoBegun);
        let mut failures = Vec::new();
        let mut given_up: BTreeSet<&ServiceName> = BTreeSet::new();
        for (index, step) in self.outlook.plan.steps.iter().enumerate().rev() {
            if !self.touched[index] || self.undone[index] || given_up.contains(step.service()) {
                continue;
            }
            let actions = actions(self.outlook, index);
            if actions.is_empty() {
                continue;
            }
            if let Err(fault) = self.step_back(index, &actions)? {
                failures.push(format!("{}: {}", self.name(index), fault.message));
                // An old release that does not come back is still better let through to than held for; anything else
                // left as it is may serve, or run, and nothing of its service is touched further.
                if !matches!(step, Step::Stop { .. }) {
                    given_up.insert(step.service());
                }
            }
        }
        if failures.is_empty() {
            failures = self.verify()?;
        }
        Ok(failures)
    }

    fn step_back(&mut self, index: usize, actions: &[Back]) -> Result<Result<(), Fault>, Halt> {
        self.fence()?;
        self.write(&Record::UndoIntent { step: index })?;
        let begun = self.context.clock.elapsed();
        let ailing = self.outlook.ailing(self.outlook.plan.steps[index].service());
        let task = self.task(index, false);
        let mut result = Ok(());
        for action in actions {
            match take_back(self.context.host, self.outlook, action, &task) {
                Ok(()) => {}
                // It was not well before either: it is owed a start, not health.
                Err(fault) if ailing && matches!(action, Back::Start(_) | Back::Await(_)) => {
                    self.note(format!("{} is as unwell as before: {}", self.name(index), fault.message));
                }
                // What does not come up is still the one that is to serve.
                Err(fault) if matches!(action, Back::Start(_) | Back::Await(_)) => {
                    result = result.and(Err(fault));
                }
                Err(fault) => {
                    result = result.and(Err(fault));
                    break;
                }
            }
        }
        let ms = self.since(begun);
        self.fence()?;
        match &result {
            Ok(()) => {
                self.write(&Record::Undone { step: index, ms })?;
                self.undone[index] = true;
                self.emit(Event::StepUndone { index, ms });
            }
            Err(fault) => {
                self.write(&Record::UndoFailed { step: index, ms, why: fault.message.clone() })?;
                self.note(format!("{} could not be taken back: {}", self.name(index), fault.message));
            }
        }
        Ok(result)
    }

    /// Makes sure that what served before serves again; mends what a restart of the machine in between undid.
    fn verify(&mut self) -> Result<Vec<String>, Halt> {
        self.fence()?;
        let mut failures = Vec::new();
        for line in self.outlook.plan.services.iter().filter(|line| line.from != line.to) {
            let Some(from) = &line.from else { continue };
            let Ok(release) = self.outlook.release(from) else { continue };
            if let Err(fault) = self.verify_one(line, release) {
                failures.push(format!("{from}: {}", fault.message));
            }
        }
        Ok(failures)
    }

    fn verify_one(&self, line: &ServicePlan, old: &Release) -> Result<(), Fault> {
        let host = self.context.host;
        let runs = old.spec.kind != Kind::Site;
        if runs && !self.outlook.ailing(&line.service) && !host.is_running(old)? {
            let task = self.task(0, false);
            host.start(old, &task)?;
            host.await_healthy(old, &task)?;
        }
        if old.spec.route.is_some() && host.serving(old)?.as_ref() != Some(&old.id) {
            host.switch(old)?;
        }
        Ok(())
    }
}
