//! Takes a transaction back: every step that was begun, in reverse, each with records of its own. Taking back that was
//! interrupted begins anew: done twice it does no harm, and the machine may have been restarted in between. It then also
//! takes an old release that runs without being healthy for what it is: a person was told, and there must be an end.

use std::collections::BTreeSet;

use landfall_model::{Event, Fault, Kind, Outcome, Release, ServiceName, ServicePlan, Step};

use crate::back::{Back, actions, order};
use crate::context::Ended;
use crate::driver::{Driver, Halt};
use crate::effects::take_back;
use crate::faults;
use crate::journal::Record;

/// A step that could not be taken back.
struct Failure {
    fault: Fault,
    /// Whether nothing more of its service may be touched.
    halts: bool,
}

impl Driver<'_> {
    /// Takes everything back and ends the transaction; it stays open when that fails. `why` is the failure that makes
    /// it so, `None` when a person asked.
    pub(crate) fn take_all_back(mut self, why: Option<Fault>) -> Ended {
        match self.back(why.clone()) {
            Err(Halt(ended)) => ended,
            Ok(failures) if failures.is_empty() => {
                let fault = match self.unwell.as_slice() {
                    [] => why.map(|why| faults::rolled_back(why, self.outlook.plan)),
                    unwell => Some(faults::unwell(unwell)),
                };
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
        let steps = &self.outlook.plan.steps;
        for index in order(steps) {
            let service = steps[index].service();
            if !self.touched[index] || given_up.contains(service) {
                continue;
            }
            let actions = actions(self.outlook, index);
            if actions.is_empty() {
                continue;
            }
            if let Some(failure) = self.step_back(index, &actions)? {
                failures.push(format!("{}: {}", self.name(index), failure.fault.message));
                // What is left as it is may serve, or run, or keep requests waiting: nothing of its service is touched
                // further.
                if failure.halts {
                    given_up.insert(service);
                }
            }
        }
        if failures.is_empty() {
            failures = self.verify()?;
        }
        Ok(failures)
    }

    fn step_back(&mut self, index: usize, actions: &[Back]) -> Result<Option<Failure>, Halt> {
        self.fence()?;
        self.write(&Record::UndoIntent { step: index })?;
        let begun = self.context.clock.elapsed();
        let failure = self.act(index, actions);
        let ms = self.since(begun);
        self.fence()?;
        match &failure {
            None => {
                self.write(&Record::Undone { step: index, ms })?;
                self.emit(Event::StepUndone { index, ms });
            }
            Some(Failure { fault, .. }) => {
                self.write(&Record::UndoFailed { step: index, ms, why: fault.message.clone() })?;
                self.note(format!("{} could not be taken back: {}", self.name(index), fault.message));
            }
        }
        Ok(failure)
    }

    fn act(&mut self, index: usize, actions: &[Back]) -> Option<Failure> {
        let step = &self.outlook.plan.steps[index];
        let ailing = self.outlook.ailing(step.service());
        let task = self.task(index, false);
        let mut failure = None;
        for action in actions {
            let Err(fault) = take_back(self.context.host, self.outlook, action, &task) else { continue };
            let awaits = matches!(action, Back::Await(_));
            if ailing && (awaits || matches!(action, Back::Start(_))) {
                // It was not well before either: it is owed a start, not health.
                self.note(format!("{} is as unwell as before: {}", self.name(index), fault.message));
            } else if awaits && self.goes_on() {
                self.unwell.push(format!("{}: {}", self.name(index), fault.message));
            } else if awaits && matches!(step, Step::Stop { .. } | Step::Start { .. }) {
                // It runs, and nothing else of its service does: better ill than nothing, and requests are let through.
                failure = Some(Failure { fault, halts: false });
            } else {
                return Some(Failure { fault, halts: true });
            }
        }
        failure
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
            host.start(old, old.spec.replicas, &task)?;
            host.await_healthy(old, old.spec.replicas, &task)?;
        }
        if old.spec.route.is_some() && host.serving(old)?.as_ref() != Some(&old.id) {
            host.switch(old)?;
        }
        Ok(())
    }
}
