//! Walks the plan forward: intent, effect, outcome, step by step.

use std::collections::BTreeSet;

use landfall_model::{Event, Fault, FaultKind, ServiceName, Step};

use crate::context::Word;
use crate::driver::{Driver, Halt};
use crate::effects;
use crate::faults;
use crate::journal::{Record, Room, SKIPPED};

/// How far the walk came.
pub(crate) enum Walked {
    /// To the end.
    Through,
    /// To the end, but for these: what was to be taken away is still there.
    Short(Vec<String>),
    /// To a failure before everything was read back.
    Failed(Fault),
    /// To the place where a person asked to stop.
    Stopped(Fault),
}

/// How one step went.
enum Stepped {
    Done(Room),
    Failed(Fault),
    Stopped,
}

impl Driver<'_> {
    /// Performs the steps that are to do, each in `todo`; for those in `probe` it asks first whether they are done.
    pub(crate) fn forward(&mut self, todo: &[bool], probe: &[bool]) -> Result<Walked, Halt> {
        let mut short = Vec::new();
        let mut given_up: BTreeSet<&ServiceName> = BTreeSet::new();
        let plan = self.outlook.plan;
        for (index, step) in plan.steps.iter().enumerate() {
            if !todo[index] || given_up.contains(step.service()) {
                continue;
            }
            let committed = index >= self.outlook.commit;
            if !committed {
                match self.context.control.word() {
                    Some(Word::Abort) => return Ok(Walked::Failed(faults::aborted())),
                    Some(Word::Promote) => self.promote()?,
                    None if self.context.control.cancelled() => return Ok(self.stop_before(index)),
                    None => {}
                }
            }
            if self.promoted && matches!(step, Step::Shift { .. } | Step::Judge { .. }) {
                self.skip(index)?;
                continue;
            }
            match self.step(index, step, probe[index], !committed)? {
                Stepped::Done(Room::Reserve) if !committed => return Ok(Walked::Failed(self.no_space())),
                Stepped::Done(_) => {}
                Stepped::Stopped => return Ok(self.stop_inside(index)),
                Stepped::Failed(fault) if !committed => return Ok(Walked::Failed(fault)),
                Stepped::Failed(fault) => match step {
                    Step::Retire { .. } | Step::Prune { .. } => {
                        self.note(format!("{} is left for later: {}", self.name(index), fault.message));
                    }
                    _ => {
                        short.push(format!("{}: {}", self.name(index), fault.message));
                        given_up.insert(step.service());
                    }
                },
            }
        }
        Ok(if short.is_empty() { Walked::Through } else { Walked::Short(short) })
    }

    /// A person asked to stop: while requests are held, or shared with a release that nobody judges then, everything is
    /// taken back, otherwise it stays as it is.
    fn stop_before(&self, index: usize) -> Walked {
        if self.context.control.word() == Some(Word::Abort) {
            return Walked::Failed(faults::aborted());
        }
        if self.outlook.unjudged_before(index) {
            return Walked::Failed(faults::interrupted_in_canary());
        }
        if self.outlook.paused_before(index) {
            return Walked::Failed(faults::interrupted_in_pause());
        }
        Walked::Stopped(faults::interrupted(&self.outlook.plan.environment, &self.name(index)))
    }

    /// A person asked to stop, and step `index` was left half done: what it has taken away of an old release comes back.
    fn stop_inside(&self, index: usize) -> Walked {
        if self.context.control.word().is_none() && self.outlook.replaces(index) {
            return Walked::Failed(faults::interrupted_in_replacement());
        }
        self.stop_before(index)
    }

    /// A person wants no more steps of a canary; that outlives an interruption.
    pub(crate) fn promote(&mut self) -> Result<(), Halt> {
        if !self.promoted {
            self.fence()?;
            self.write(&Record::Promoted)?;
            self.promoted = true;
            self.note("promoted by hand: what is left of the canary is skipped");
        }
        Ok(())
    }

    /// Leaves a step out.
    fn skip(&mut self, index: usize) -> Result<(), Halt> {
        self.fence()?;
        let note = Some(SKIPPED.to_owned());
        self.write(&Record::Done { step: index, ms: 0, note: note.clone(), proof: None })?;
        self.emit(Event::StepDone { index, ms: 0, note });
        Ok(())
    }

    fn step(&mut self, index: usize, step: &Step, probe: bool, heeds_cancel: bool) -> Result<Stepped, Halt> {
        self.fence()?;
        let room = self.write(&Record::Intent { step: index })?;
        self.touched[index] = true;
        if room == Room::Reserve && heeds_cancel {
            return Ok(Stepped::Failed(self.no_space()));
        }
        self.emit(Event::StepBegun { index });
        let begun = self.context.clock.elapsed();
        let (host, task) = (self.context.host, self.task(index, heeds_cancel));
        let found = if probe { effects::is_done(host, self.outlook, step) } else { Ok(false) };
        let performed = match found {
            Ok(true) => Ok((Some("found done".to_owned()), None)),
            Ok(false) => effects::perform(&self.context, self.outlook, index, &task),
            Err(fault) => Err(fault),
        };
        let ms = self.since(begun);
        self.fence()?;
        match performed {
            Ok((note, proof)) => {
                self.took[index] = Some(ms);
                self.judged(index, note.clone());
                let record =
                    Record::Done { step: index, ms, note: note.clone(), proof: proof.clone().map(Box::new) };
                let room = self.write(&record)?;
                if let Some(proof) = proof {
                    self.proofs.insert(index, proof);
                }
                self.emit(Event::StepDone { index, ms, note });
                Ok(Stepped::Done(room))
            }
            Err(fault) if fault.kind == FaultKind::Interrupted && heeds_cancel => Ok(Stepped::Stopped),
            Err(fault) => {
                self.judged(index, Some(fault.message.clone()));
                self.write(&Record::Failed { step: index, ms, why: fault.message.clone() })?;
                self.emit(Event::StepFailed { index, ms, fault: fault.clone() });
                Ok(Stepped::Failed(fault))
            }
        }
    }

    /// Keeps what was found of a new release for the receipt.
    fn judged(&mut self, index: usize, what: Option<String>) {
        if let (Step::Judge { .. }, Some(what)) = (&self.outlook.plan.steps[index], what) {
            self.judged.insert(index, what);
        }
    }

    /// `web: health`: names a step in a sentence.
    pub(crate) fn name(&self, index: usize) -> String {
        let step = &self.outlook.plan.steps[index];
        format!("{}: {}", step.service(), step.verb())
    }
}
