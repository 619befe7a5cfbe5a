//! Transactions of this host: each runs on a thread of its own, whether or not anyone watches.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use landfall_engine::lease::LeaseStore as _;
use landfall_engine::{Context, Control, Ended, Events, Order, Word};
use landfall_model::api::{Accepted, Submission};
use landfall_model::{
    AppName, EnvironmentName, Event, Fault, FaultKind, Outcome, Plan, PlanKind, Release, TransactionId,
};

use crate::agent::Notes;
use crate::events::EventLog;
use crate::exclusive::{Exclusive, Guard, Place};
use crate::host::LocalHost;
use crate::memory;
use crate::said::Searched;
use crate::secrets;
use crate::state::{PlaceLease, TransactionRow};

/// How long a submission waits for the background to finish stopping an old release.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks whether another submission was faster.
const LOOK: Duration = Duration::from_millis(100);

/// Ended transactions whose events are kept in memory.
const EVENTS_KEPT: usize = 4;

/// How an interrupted transaction is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovery {
    Resume,
    /// Without judging what is left of a canary.
    Promote,
    Undo,
}

/// A transaction in this agent's memory.
struct Live {
    row: TransactionRow,
    log: Arc<EventLog>,
    cancelled: AtomicBool,
    /// What a person said while it ran.
    word: OnceLock<Word>,
    running: AtomicBool,
}

/// All of them, the newest last.
pub(crate) struct Transactions {
    host: Arc<LocalHost>,
    notes: Arc<Notes>,
    exclusive: Arc<Exclusive>,
    live: Mutex<Vec<Arc<Live>>>,
    /// Set when the agent ends: nothing more is done, nor written down.
    halted: AtomicBool,
}

/// What a thread does.
enum Work {
    Run(Box<Submission>),
    Recover(Recovery),
}

impl Transactions {
    pub(crate) fn new(host: Arc<LocalHost>, notes: Arc<Notes>) -> Arc<Self> {
        Arc::new(Self {
            host,
            notes,
            exclusive: Arc::default(),
            live: Mutex::default(),
            halted: AtomicBool::new(false),
        })
    }

    /// Leaves every transaction where it is, as a kill would: the agent ends.
    pub(crate) fn halt(&self) {
        self.halted.store(true, Ordering::Release);
    }

    /// Who works on which place.
    pub(crate) fn exclusive(&self) -> Arc<Exclusive> {
        Arc::clone(&self.exclusive)
    }

    fn live(&self) -> MutexGuard<'_, Vec<Arc<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, app: &AppName, environment: &EnvironmentName, number: TransactionId) -> Option<Arc<Live>> {
        let live = self.live();
        let found = live.iter().rev().find(|known| {
            known.row.number == number && known.row.app == *app && known.row.environment == *environment
        });
        found.cloned()
    }

    /// One that runs.
    fn at_work(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
        number: TransactionId,
    ) -> Option<Arc<Live>> {
        self.find(app, environment, number).filter(|live| live.running.load(Ordering::Acquire))
    }

    /// How many run now.
    pub(crate) fn running(&self) -> u32 {
        let running = self.live().iter().filter(|live| live.running.load(Ordering::Acquire)).count();
        u32::try_from(running).unwrap_or(u32::MAX)
    }

    /// Whether one runs there now.
    pub(crate) fn is_running(&self, app: &AppName, environment: &EnvironmentName) -> bool {
        self.live().iter().any(|live| {
            live.running.load(Ordering::Acquire)
                && live.row.app == *app
                && live.row.environment == *environment
        })
    }

    /// Asks one to stop before its next step; `false` when it does not run.
    pub(crate) fn cancel(&self, app: &AppName, environment: &EnvironmentName, number: TransactionId) -> bool {
        let live = self.at_work(app, environment, number);
        live.is_some_and(|live| {
            live.cancelled.store(true, Ordering::Release);
            true
        })
    }

    /// Tells a running transaction what a person wants; `false` when it does not run. The first word counts.
    fn tell(&self, row: &TransactionRow, word: Word) -> Result<bool, Fault> {
        let Some(live) = self.at_work(&row.app, &row.environment, row.number) else { return Ok(false) };
        let said = *live.word.get_or_init(|| word);
        if said == word {
            return Ok(true);
        }
        let said = if said == Word::Promote { "promoted" } else { "aborted" };
        Err(Fault::refused(format!("transaction {} was {said} already", row.number)))
    }

    /// Ends a canary before its time: all requests go to the new release. One that nobody works at goes on so.
    pub(crate) fn promote(self: &Arc<Self>, row: &TransactionRow) -> Result<Accepted, Fault> {
        let path = self.host.dir().journal(&row.app, &row.environment, row.number);
        let journal = landfall_engine::read(self.host.files(), &path)?;
        if !journal.is_some_and(|journal| journal.is_promotable()) {
            return Err(Fault::refused(format!(
                "transaction {} is no canary that is under way: there is nothing to promote",
                row.number
            ))
            .help("`landfall status` shows what is under way"));
        }
        self.end_by_hand(row, Word::Promote, Recovery::Promote)
    }

    /// Says the word to one that runs, and ends one that nobody works at so.
    fn end_by_hand(
        self: &Arc<Self>,
        row: &TransactionRow,
        word: Word,
        how: Recovery,
    ) -> Result<Accepted, Fault> {
        if self.tell(row, word)? {
            return Ok(Accepted { transaction: row.number });
        }
        match self.recover(&row.app, &row.environment, row.number, how) {
            // An agent that has just started goes on with a canary by itself: it runs after all.
            Err(_) if self.tell(row, word)? => Ok(Accepted { transaction: row.number }),
            ended => ended,
        }
    }

    /// Takes a transaction back now, whether it runs or nobody works at it.
    pub(crate) fn abort(self: &Arc<Self>, row: &TransactionRow) -> Result<Accepted, Fault> {
        if self.at_work(&row.app, &row.environment, row.number).is_some() {
            self.abortable(row)?;
        }
        self.end_by_hand(row, Word::Abort, Recovery::Undo)
    }

    /// Refuses to abort a transaction that runs and has nothing left that it would take back.
    fn abortable(&self, row: &TransactionRow) -> Result<(), Fault> {
        let path = self.host.dir().journal(&row.app, &row.environment, row.number);
        let journal = landfall_engine::read(self.host.files(), &path)?;
        let Some(journal) = journal.filter(|it| !it.undoing && it.is_committed()) else { return Ok(()) };
        let fault = Fault::refused(format!(
            "transaction {} cannot be taken back any more: all of it is done but clearing up",
            row.number
        ));
        Err(match journal.plan.kind {
            PlanKind::Down => fault,
            PlanKind::Deploy | PlanKind::Rollback => {
                fault.help("`landfall rollback` makes the release before serve again")
            }
        })
    }

    /// The events of a transaction; of one that an earlier agent ran, its end. `None` when there is none.
    pub(crate) fn events(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
        number: TransactionId,
    ) -> Result<Option<Arc<EventLog>>, Fault> {
        if let Some(live) = self.find(app, environment, number) {
            return Ok(Some(Arc::clone(&live.log)));
        }
        let history = self.host.state().history(app, environment, u32::MAX)?;
        let Some(line) = history.into_iter().find(|line| line.transaction == number) else { return Ok(None) };
        let log = EventLog::new();
        let row = TransactionRow { app: app.clone(), environment: environment.clone(), number };
        let fault = line.why.map(Fault::application);
        let receipts = self.host.state().receipts_of(&row)?;
        let outcome = line.outcome.unwrap_or(Outcome::Interrupted);
        log.push(self.host.clock().now(), Event::Ended { outcome, receipts, fault });
        Ok(Some(Arc::new(log)))
    }

    /// Checks a plan against the place and begins it.
    pub(crate) fn submit(self: &Arc<Self>, submission: Submission) -> Result<Accepted, Fault> {
        let plan = &submission.plan;
        let place = (plan.app.clone(), plan.environment.clone());
        let guard = self.take(&place)?;
        self.admit(&submission)?;
        let begun = self.begin(&submission);
        if begun.is_err() {
            secrets::forget_unused(&self.host, &place);
        }
        // Nothing has happened yet: whatever is in the way, it is a refusal.
        let number = begun.map_err(|fault| fault.kind(FaultKind::Refused))?;
        let row = TransactionRow { app: place.0, environment: place.1, number };
        self.spawn(&row, guard, Work::Run(Box::new(submission)))
    }

    /// Takes the place for one transaction; the background may be stopping an old release there.
    fn take(&self, place: &Place) -> Result<Guard, Fault> {
        let begun = self.host.clock().elapsed();
        loop {
            if self.is_running(&place.0, &place.1) {
                return Err(self.refuse_busy(place));
            }
            if let Some(guard) = self.exclusive.acquire(place, LOOK) {
                return Ok(guard);
            }
            if self.host.clock().elapsed() - begun > PATIENCE {
                return Err(Fault::refused(format!(
                    "an old release of {} → {} is being stopped",
                    place.0, place.1
                ))
                .help("it takes its time to end; try again in a moment"));
            }
        }
    }

    fn begin(&self, submission: &Submission) -> Result<TransactionId, Fault> {
        for release in new_releases(&submission.plan) {
            let values = submission.secrets.get(release.service()).cloned().unwrap_or_default();
            self.keep_secrets(release, values)?;
        }
        self.host.state().begin(&submission.plan, &submission.holder, self.host.clock().now())
    }

    /// Ends an interrupted transaction one way or the other.
    pub(crate) fn recover(
        self: &Arc<Self>,
        app: &AppName,
        environment: &EnvironmentName,
        number: TransactionId,
        how: Recovery,
    ) -> Result<Accepted, Fault> {
        let guard = self.take(&(app.clone(), environment.clone()))?;
        let row = TransactionRow { app: app.clone(), environment: environment.clone(), number };
        if !self.host.state().open_transactions()?.contains(&row) {
            return Err(Fault::refused(format!(
                "transaction {number} has ended already; there is nothing to do"
            )));
        }
        self.spawn(&row, guard, Work::Recover(how))
    }

    fn refuse_busy(&self, (app, environment): &Place) -> Fault {
        let lease = PlaceLease { state: self.host.state(), app, environment }.load().ok().flatten();
        let who = lease.map_or_else(String::new, |lease| format!(" by {}", lease.holder));
        Fault::refused(format!("{app} → {environment} is being deployed{who}"))
            .help("`landfall status` shows how far it is; `landfall resume` watches it to its end")
    }

    /// All that must hold before anything happens.
    fn admit(&self, submission: &Submission) -> Result<(), Fault> {
        let plan = &submission.plan;
        if plan.format != 1 || !plan.is_intact() {
            return Err(Fault::refused(
                "the plan was changed after it was made: its hash is not that of what it says",
            )
            .help("make a new one: `landfall plan --out FILE`"));
        }
        if plan.is_empty() {
            return Err(Fault::refused("the plan has no steps; there is nothing to do"));
        }
        let state = self.host.state();
        if let Some(open) = self.host.open_transaction(&plan.app, &plan.environment, false)? {
            return Err(Fault::refused(format!(
                "transaction {} was interrupted and has not ended",
                open.transaction
            ))
            .help("`landfall resume` finishes it, `landfall undo` takes it back"));
        }
        let generation = state.environment(&plan.app, &plan.environment)?.generation;
        if generation != plan.generation {
            return Err(Fault::refused(format!(
                "the plan is stale: it was made against generation {} of {} → {}, which is at {generation}",
                plan.generation, plan.app, plan.environment
            ))
            .help("something was deployed since; make a new plan"));
        }
        for release in new_releases(plan) {
            if state.release(&release.app, &release.environment, &release.id)?.is_some() {
                return Err(Fault::refused(format!("version {} was used before", release.id.version())));
            }
            let values = submission.secrets.get(release.service());
            let given =
                |name: &&String| values.is_some_and(|v| v.get(*name).is_some_and(|value| !value.is_empty()));
            if let Some(missing) = release.spec.secrets.iter().find(|name| !given(name)) {
                return Err(Fault::refused(format!(
                    "the secret {missing} of `{}` was not given",
                    release.service()
                )));
            }
            let wanted = self.host.index(release)?;
            if let Some(blob) = self.host.store().missing(&wanted.digests()).first() {
                return Err(Fault::refused(format!(
                    "a file of `{}` did not arrive: {blob}",
                    release.service()
                )));
            }
        }
        Ok(())
    }

    fn keep_secrets(&self, release: &Release, values: BTreeMap<String, String>) -> Result<(), Fault> {
        if release.spec.secrets.is_empty() {
            return Ok(());
        }
        let path = self.host.dir().secrets(release);
        let named = values.into_iter().filter(|(name, _)| release.spec.secrets.contains(name)).collect();
        landfall_shim::write_secrets(&path, &named).map_err(|e| {
            Fault::machine(format!("secrets cannot be kept in memory ({}): {e}", path.display()))
        })
    }

    fn spawn(self: &Arc<Self>, row: &TransactionRow, guard: Guard, work: Work) -> Result<Accepted, Fault> {
        let live = Arc::new(Live {
            row: row.clone(),
            log: Arc::new(EventLog::new()),
            cancelled: AtomicBool::new(false),
            word: OnceLock::new(),
            running: AtomicBool::new(true),
        });
        {
            let mut all = self.live();
            all.retain(|known| known.row != *row);
            drop_oldest(&mut all);
            all.push(Arc::clone(&live));
        }
        let accepted = Accepted { transaction: row.number };
        let (transactions, thread_live) = (Arc::clone(self), Arc::clone(&live));
        let started = thread::Builder::new()
            .name(format!("transaction-{}", row.number.0))
            .spawn(move || transactions.work(&thread_live, guard, work));
        match started {
            Ok(_) => Ok(accepted),
            Err(error) => {
                live.running.store(false, Ordering::Release);
                Err(Fault::machine(format!("no thread for the transaction: {error}")))
            }
        }
    }

    fn work(&self, live: &Live, guard: Guard, work: Work) {
        // A panic would leave the place busy for as long as the agent lives.
        let performed = catch_unwind(AssertUnwindSafe(|| self.perform(live, work)));
        let performed = performed.unwrap_or_else(|_| {
            Err(Fault::internal("the agent failed inside; its log says where")
                .help("`landfall resume` goes on, `landfall undo` takes it back"))
        });
        let mut ended = performed.unwrap_or_else(|fault| Ended {
            outcome: Outcome::Interrupted,
            receipts: Vec::new(),
            fault: Some(fault),
        });
        let now = self.host.clock().now();
        if !ended.is_open() {
            let why = ended.fault.as_ref().map(|fault| fault.message.as_str());
            if let Err(unwritten) = self.host.state().end(&live.row, now, ended.outcome, why, &ended.receipts)
            {
                ended.fault.get_or_insert(unwritten);
            }
            let TransactionRow { app, environment, number } = &live.row;
            self.notes.settle(&interrupted(app, environment, *number));
            secrets::forget_unused(&self.host, &(app.clone(), environment.clone()));
        }
        // Free before the end is told: whoever waits for it may submit the next plan at once.
        live.running.store(false, Ordering::Release);
        drop(guard);
        live.log.push(now, ended.event());
        memory::give_back();
    }

    fn perform(&self, live: &Live, work: Work) -> Result<Ended, Fault> {
        let row = &live.row;
        let path = self.host.dir().journal(&row.app, &row.environment, row.number);
        let holder = match &work {
            Work::Run(submission) => submission.holder.clone(),
            Work::Recover(Recovery::Resume) => format!("resume of {}", row.number),
            Work::Recover(Recovery::Promote) => format!("promote of {}", row.number),
            Work::Recover(Recovery::Undo) => format!("undo of {}", row.number),
        };
        let lease = match crate::lease::Held::take(&self.host, &row.app, &row.environment, &holder) {
            Ok(lease) => lease,
            // Of a new one nothing was done, and there is nothing to go on with.
            Err(fault) if matches!(work, Work::Run(_)) => {
                return Ok(Ended { outcome: Outcome::RolledBack, receipts: Vec::new(), fault: Some(fault) });
            }
            Err(fault) => return Err(fault),
        };
        let releases = match &work {
            Work::Run(submission) => submission.plan.releases.clone(),
            // One that cannot be read is gone on with nowhere.
            Work::Recover(_) => match landfall_engine::read(self.host.files(), &path) {
                Ok(journal) => journal.map(|journal| journal.plan.releases).unwrap_or_default(),
                Err(_) => BTreeMap::new(),
            },
        };
        let host = Searched::new(&self.host, releases.values());
        let control = ThreadControl { live, lease: &lease, halted: &self.halted };
        let events = ThreadEvents { host: &self.host, log: &live.log };
        let context = Context {
            files: self.host.files(),
            clock: self.host.clock(),
            host: &host,
            events: &events,
            control: &control,
        };
        let ended = match work {
            Work::Run(submission) => {
                let order = Order {
                    transaction: row.number,
                    plan: submission.plan,
                    holder: submission.holder,
                    bytes_shipped: submission.bytes_shipped,
                };
                Ok(landfall_engine::run(&context, &path, order))
            }
            Work::Recover(Recovery::Resume) => landfall_engine::resume(&context, &path),
            Work::Recover(Recovery::Promote) => landfall_engine::promote(&context, &path),
            Work::Recover(Recovery::Undo) => landfall_engine::undo(&context, &path),
        };
        lease.release();
        ended
    }
}

/// How the note on an interrupted transaction begins; it is taken back when that has ended.
pub(crate) fn interrupted(app: &AppName, environment: &EnvironmentName, number: TransactionId) -> String {
    format!("{app} → {environment}: transaction {number} ")
}

/// Drops the events of the oldest that have ended, beyond as many as are kept.
fn drop_oldest(all: &mut Vec<Arc<Live>>) {
    let has_ended = |live: &Arc<Live>| !live.running.load(Ordering::Acquire);
    let surplus = all.iter().filter(|live| has_ended(live)).count().saturating_sub(EVENTS_KEPT);
    for _ in 0..surplus {
        if let Some(oldest) = all.iter().position(has_ended) {
            all.remove(oldest);
        }
    }
}

/// The releases that a plan makes: those that the ledger does not know are checked to be new.
fn new_releases(plan: &Plan) -> impl Iterator<Item = &Release> {
    plan.releases
        .values()
        .filter(|release| *release.id.version() == plan.version && plan.kind == PlanKind::Deploy)
}

struct ThreadEvents<'a> {
    host: &'a LocalHost,
    log: &'a EventLog,
}

impl Events for ThreadEvents<'_> {
    fn emit(&self, event: Event) {
        // The end is told once everything about it is written down.
        if !matches!(event, Event::Ended { .. }) {
            self.log.push(self.host.clock().now(), event);
        }
    }
}

struct ThreadControl<'a> {
    live: &'a Live,
    lease: &'a crate::lease::Held,
    halted: &'a AtomicBool,
}

impl Control for ThreadControl<'_> {
    fn cancelled(&self) -> bool {
        self.live.cancelled.load(Ordering::Acquire)
    }

    fn word(&self) -> Option<Word> {
        self.live.word.get().copied()
    }

    fn fence(&self) -> Result<(), Fault> {
        if self.halted.load(Ordering::Acquire) {
            return Err(Fault::machine("the agent was told to end").kind(FaultKind::Interrupted));
        }
        self.lease.fence()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(number: u64, running: bool) -> Arc<Live> {
        let row = TransactionRow {
            app: "a".parse().unwrap(),
            environment: "dev".parse().unwrap(),
            number: TransactionId(number),
        };
        Arc::new(Live {
            row,
            log: Arc::new(EventLog::new()),
            cancelled: AtomicBool::new(false),
            word: OnceLock::new(),
            running: AtomicBool::new(running),
        })
    }

    #[test]
    fn one_that_runs_is_never_dropped() {
        let mut all = vec![live(1, true)];
        all.extend((2..10).map(|number| live(number, false)));
        drop_oldest(&mut all);
        let numbers: Vec<u64> = all.iter().map(|live| live.row.number.0).collect();
        assert_eq!(numbers, [1, 6, 7, 8, 9]);
    }
}
