//! What walking forward and taking back share: writing records, asking the fence, telling events.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use landfall_fx::host::Task;
use landfall_model::{Event, Fault, Millis, Outcome, StepLine, Stream, Timestamp, TransactionId};

use crate::context::{Context, Ended, Word};
use crate::faults;
use crate::journal::{Begun, Journal, Proof, Record, Room, Writer};
use crate::outlook::Outlook;

/// Nothing more may be done, nor written down: the journal cannot be written, or another holds the lease.
#[derive(Debug)]
pub(crate) struct Halt(pub(crate) Ended);

/// One transaction under way.
pub(crate) struct Driver<'a> {
    pub(crate) context: Context<'a>,
    pub(crate) outlook: &'a Outlook<'a>,
    pub(crate) transaction: TransactionId,
    pub(crate) begun: Timestamp,
    pub(crate) bytes_shipped: u64,
    pub(crate) titles: Vec<StepLine>,
    /// What was read back, by step.
    pub(crate) proofs: BTreeMap<usize, Proof>,
    /// How long each step took, in milliseconds; `None` until it is done.
    pub(crate) took: Vec<Option<u64>>,
    /// Whether each step was begun.
    pub(crate) touched: Vec<bool>,
    /// What was found of new releases, by step.
    pub(crate) judged: BTreeMap<usize, String>,
    /// Whether a person wants no more steps of a canary.
    pub(crate) promoted: bool,
    /// Old releases that run again without being healthy, a sentence each.
    pub(crate) unwell: Vec<String>,
    /// Where `clock.elapsed()` stood when the transaction began; `None` when that was in another run.
    started: Option<Duration>,
    path: &'a Path,
    writer: Writer<'a>,
}

impl<'a> Driver<'a> {
    /// A transaction that begins.
    pub(crate) fn begin(
        context: Context<'a>,
        outlook: &'a Outlook<'a>,
        path: &'a Path,
        begun: &Begun,
        writer: Writer<'a>,
    ) -> Self {
        let steps = outlook.plan.steps.len();
        Self {
            context,
            outlook,
            transaction: begun.transaction,
            begun: begun.begun,
            bytes_shipped: begun.bytes_shipped,
            titles: outlook.plan.titles(),
            proofs: BTreeMap::new(),
            judged: BTreeMap::new(),
            promoted: false,
            took: vec![None; steps],
            touched: vec![false; steps],
            unwell: Vec::new(),
            started: Some(context.clock.elapsed()),
            path,
            writer,
        }
    }

    /// A transaction that goes on.
    pub(crate) fn go_on(
        context: Context<'a>,
        outlook: &'a Outlook<'a>,
        path: &'a Path,
        journal: &Journal,
        writer: Writer<'a>,
    ) -> Self {
        use crate::journal::Progress;
        let took = journal.steps.iter().map(|step| match step {
            Progress::Done { ms, .. } => Some(*ms),
            Progress::Waiting | Progress::Open | Progress::Failed { .. } => None,
        });
        // After damage any step may have been done.
        let touched = journal.steps.iter().map(|step| journal.damaged || *step != Progress::Waiting);
        Self {
            context,
            outlook,
            transaction: journal.transaction,
            begun: journal.begun,
            bytes_shipped: journal.bytes_shipped,
            titles: outlook.plan.titles(),
            proofs: journal.proofs.clone(),
            judged: journal.judged(),
            promoted: journal.promoted,
            took: took.collect(),
            touched: touched.collect(),
            unwell: Vec::new(),
            started: None,
            path,
            writer,
        }
    }

    pub(crate) fn emit(&self, event: Event) {
        self.context.events.emit(event);
    }

    pub(crate) fn note(&self, text: impl Into<String>) {
        self.emit(Event::Note { text: text.into() });
    }

    pub(crate) fn announce(&self, resumed: bool) {
        self.emit(Event::Begun {
            transaction: self.transaction,
            app: self.outlook.plan.app.clone(),
            environment: self.outlook.plan.environment.clone(),
            kind: self.outlook.plan.kind,
            steps: self.titles.clone(),
            resumed,
        });
    }

    /// Makes sure that the lease is still held.
    pub(crate) fn fence(&self) -> Result<(), Halt> {
        self.context
            .control
            .fence()
            .map_err(|fault| Halt(Ended::without_receipts(Outcome::Interrupted, faults::fenced(fault))))
    }

    /// Writes a record down.
    pub(crate) fn write(&mut self, record: &Record) -> Result<Room, Halt> {
        self.writer.append(record).map_err(|error| {
            let fault = faults::unwritable(self.path, &self.outlook.plan.environment, &error);
            Halt(Ended::without_receipts(Outcome::NeedsPerson, fault))
        })
    }

    /// Milliseconds since `earlier` on the clock that never goes back.
    pub(crate) fn since(&self, earlier: Duration) -> u64 {
        Millis::from(self.context.clock.elapsed().saturating_sub(earlier)).0
    }

    /// Whether it goes on after an interruption.
    pub(crate) fn goes_on(&self) -> bool {
        self.started.is_none()
    }

    /// How long the transaction has lasted; after an interruption by the wall clock.
    pub(crate) fn lasted(&self) -> u64 {
        match self.started {
            Some(started) => self.since(started),
            None => Millis::from(self.context.clock.now().since(self.begun)).0,
        }
    }

    /// Ends the transaction: makes the receipts, writes down how it ended, gives the reserve back.
    pub(crate) fn end(mut self, outcome: Outcome, fault: Option<Fault>) -> Ended {
        let receipts = crate::receipt::receipts(&self, outcome);
        let ended = Ended { outcome, receipts, fault };
        let written = self.fence().and_then(|()| self.write(&Record::Ended(Box::new(ended.clone()))));
        match written {
            Ok(_) => {
                self.writer.close();
                ended
            }
            Err(Halt(halted)) => halted,
        }
    }

    pub(crate) fn no_space(&self) -> Fault {
        faults::no_space(self.path)
    }

    /// The task of a step for who performs it.
    pub(crate) fn task(&self, index: usize, heeds_cancel: bool) -> StepTask<'a> {
        StepTask { context: self.context, index, heeds_cancel }
    }
}

/// A step as the host sees it.
pub(crate) struct StepTask<'a> {
    context: Context<'a>,
    index: usize,
    /// Whether a request to stop reaches the step; what takes back is not stopped.
    heeds_cancel: bool,
}

impl Task for StepTask<'_> {
    fn line(&self, stream: Stream, line: &str) {
        self.context.events.emit(Event::Output { index: self.index, stream, line: line.to_owned() });
    }

    fn cancelled(&self) -> bool {
        let control = self.context.control;
        self.heeds_cancel && (control.cancelled() || control.word() == Some(Word::Abort))
    }
}
