//! Transactions of this host: each runs on a thread of its own, whether or not anyone watches.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use landfall_engine::lease::LeaseStore as _;
use landfall_engine::{Context, Control, Ended, Events, Order};
use landfall_model::api::{Accepted, Submission};
use landfall_model::{AppName, EnvironmentName, Event, Fault, Outcome, Plan, Release, TransactionId};

use crate::events::EventLog;
use crate::exclusive::{Exclusive, Guard, Place};
use crate::host::LocalHost;
use crate::state::{PlaceLease, TransactionRow};

/// How long a submission waits for the background to finish stopping an old release.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ended transactions whose events are kept in memory.
const EVENTS_KEPT: usize = 16;

/// How an interrupted transaction is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovery {
    Resume,
    Undo,
}

/// A transaction in this agent's memory.
struct Live {
    row: TransactionRow,
    log: Arc<EventLog>,
    cancelled: AtomicBool,
    running: AtomicBool,
}

/// All of them, the newest last.
pub(crate) struct Transactions {
    host: Arc<LocalHost>,
    exclusive: Arc<Exclusive>,
    live: Mutex<Vec<Arc<Live>>>,
}

/// What a thread does.
enum Work {
    Run(Box<Submission>),
    Recover(Recovery),
}

impl Transactions {
    pub(crate) fn new(host: Arc<LocalHost>) -> Arc<Self> {
        Arc::new(Self { host, exclusive: Arc::default(), live: Mutex::default() })
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
        let live = self.find(app, environment, number).filter(|live| live.running.load(Ordering::Acquire));
        live.is_some_and(|live| {
            live.cancelled.store(true, Ordering::Release);
            true
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
        if self.is_running(&plan.app, &plan.environment) {
            return Err(self.refuse_busy(&place));
        }
        let guard = self.exclusive.acquire(&place, PATIENCE).ok_or_else(|| self.refuse_busy(&place))?;
        self.admit(&submission)?;
        let now = self.host.clock().now();
        for release in new_releases(plan) {
            let values = submission.secrets.get(release.service()).cloned().unwrap_or_default();
            self.keep_secrets(release, values)?;
        }
        let number = self.host.state().begin(plan, &submission.holder, now)?;
        let row = TransactionRow { app: place.0, environment: place.1, number };
        self.spawn(&row, guard, Work::Run(Box::new(submission)))
    }

    /// Ends an interrupted transaction one way or the other.
    pub(crate) fn recover(
        self: &Arc<Self>,
        app: &AppName,
        environment: &EnvironmentName,
        number: TransactionId,
        how: Recovery,
    ) -> Result<Accepted, Fault> {
        let place = (app.clone(), environment.clone());
        if self.is_running(app, environment) {
            return Err(self.refuse_busy(&place));
        }
        let guard = self.exclusive.acquire(&place, PATIENCE).ok_or_else(|| self.refuse_busy(&place))?;
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
            running: AtomicBool::new(true),
        });
        {
            let mut all = self.live();
            all.retain(|known| known.row != *row);
            let ended = all.iter().filter(|known| !known.running.load(Ordering::Acquire)).count();
            if ended > EVENTS_KEPT {
                all.remove(0);
            }
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
        let mut ended = self.perform(live, work).unwrap_or_else(|fault| Ended {
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
        }
        // Free before the end is told: whoever waits for it may submit the next plan at once.
        live.running.store(false, Ordering::Release);
        drop(guard);
        live.log.push(now, ended.event());
    }

    fn perform(&self, live: &Live, work: Work) -> Result<Ended, Fault> {
        let row = &live.row;
        let path = self.host.dir().journal(&row.app, &row.environment, row.number);
        let holder = match &work {
            Work::Run(submission) => submission.holder.clone(),
            Work::Recover(Recovery::Resume) => format!("resume of {}", row.number),
            Work::Recover(Recovery::Undo) => format!("undo of {}", row.number),
        };
        let lease = crate::lease::Held::take(&self.host, &row.app, &row.environment, &holder)?;
        let control = ThreadControl { live, lease: &lease };
        let events = ThreadEvents { host: &self.host, log: &live.log };
        let context = Context {
            files: self.host.files(),
            clock: self.host.clock(),
            host: &*self.host,
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
            Work::Recover(Recovery::Undo) => landfall_engine::undo(&context, &path),
        };
        lease.release();
        ended
    }
}

/// The releases that a plan makes: those that the ledger does not know are checked to be new.
fn new_releases(plan: &Plan) -> impl Iterator<Item = &Release> {
    plan.releases.values().filter(|release| {
        *release.id.version() == plan.version && plan.kind == landfall_model::PlanKind::Deploy
    })
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
}

impl Control for ThreadControl<'_> {
    fn cancelled(&self) -> bool {
        self.live.cancelled.load(Ordering::Acquire)
    }

    fn fence(&self) -> Result<(), Fault> {
        self.lease.fence()
    }
}
