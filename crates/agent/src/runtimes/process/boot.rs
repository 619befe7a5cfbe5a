//! Waiting for instances to become healthy: all are watched at once, so that the first that ends is reported at once,
//! whatever the others do.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use landfall_fx::host::{Note, Task};
use landfall_model::{
    Evidence, Exit, Fault, FaultKind, HealthAnswer, InstanceState, Kind, Millis, Release, Timestamp,
};
use landfall_shim::{Handle, Report, evidence, log};

use super::health;
use crate::host::LocalHost;
use crate::runtimes::steady::Answers;
use crate::state::{InstanceRow, Measured};

/// Between two looks at a booting instance at first, and after `EAGER`.
const LOOK_EAGER: Duration = Duration::from_millis(4);
const LOOK: Duration = Duration::from_millis(50);
const EAGER: Duration = Duration::from_secs(5);

/// An instance that ended longer ago than this ended in an earlier life: before the machine was restarted, or before it
/// was waited for.
const EARLIER: Duration = Duration::from_secs(5);

/// An instance that has run for longer when it is first looked at was not started now: how long it took is not known.
const JUST_STARTED: Duration = Duration::from_secs(1);

/// Lines of output that go into an autopsy.
const AUTOPSY_LINES: usize = 40;

/// What a health check got, with the number of the instance.
type Answer = (usize, Result<(), HealthAnswer>);

/// An instance that is waited for.
struct Booting {
    row: InstanceRow,
    handle: Handle,
    restarts_before: u32,
    last: Option<HealthAnswer>,
    answers: Answers,
    /// How long it had run when it was first looked at.
    ran: Duration,
    /// Whether an answer to a health check is on its way.
    asked: bool,
    /// When it is asked next.
    ask_at: Duration,
    healthy: bool,
}

impl Booting {
    fn new(row: InstanceRow, handle: Handle, now: Timestamp) -> Self {
        let report = handle.report();
        let restarts_before = restarts_before(report, now);
        let ran = report.started.map(|started| now.since(started)).unwrap_or_default();
        Self {
            row,
            handle,
            restarts_before,
            last: None,
            answers: Answers::default(),
            ran,
            asked: false,
            ask_at: Duration::ZERO,
            healthy: false,
        }
    }

    /// Whether it ended since it is waited for, or is being stopped.
    fn has_failed(&self) -> bool {
        let report = self.handle.report();
        report.restarts > self.restarts_before
            || matches!(report.state, InstanceState::Stopping | InstanceState::Stopped)
    }
}

/// The restarts that do not count: those of a life before this one. An end that nobody saw was before a restart of the
/// machine or of the supervisor.
fn restarts_before(report: &Report, now: Timestamp) -> u32 {
    let unseen = |exit: &Exit| exit.code.is_none() && exit.signal.is_none() && !exit.oom;
    let earlier = |exit: &Exit| unseen(exit) || now.since(exit.at) > EARLIER;
    if report.last_exit.as_ref().is_none_or(earlier) { report.restarts } else { 0 }
}

impl LocalHost {
    /// Waits until the first `upto` instances are healthy, those that finish their work before they start again left out.
    pub(super) fn await_boot(&self, release: &Release, upto: u32, task: &dyn Task) -> Result<Note, Fault> {
        let mut all = Vec::new();
        for row in self.rows_of(release, upto)? {
            if self.is_late(release, &row) {
                continue;
            }
            let handle = self.connect(&row)?;
            all.push(Booting::new(row, handle, self.clock().now()));
        }
        let (answering, answers) = channel();
        let begun = self.clock().elapsed();
        let mut boot = Duration::ZERO;
        while all.iter().any(|booting| !booting.healthy) {
            let waited = self.clock().elapsed() - begun;
            if task.cancelled() {
                return Err(
                    Fault::application("waiting for health was interrupted").kind(FaultKind::Interrupted)
                );
            }
            for (number, booting) in all.iter_mut().enumerate().filter(|(_, booting)| !booting.healthy) {
                self.look(release, booting, waited)?;
                self.ask(release, number, booting, waited, &answering);
            }
            listen(&answers, &mut all, if waited < EAGER { LOOK_EAGER } else { LOOK });
            let waited = self.clock().elapsed() - begun;
            for booting in
                all.iter_mut().filter(|booting| !booting.healthy && is_stable(release, booting, waited))
            {
                booting.healthy = true;
            }
            if all.iter().all(|booting| booting.healthy) {
                boot = waited;
            }
        }
        // What was warm says nothing of how long a boot takes.
        if !all.iter().all(|booting| booting.ran < JUST_STARTED) {
            return Ok(Some("healthy".to_owned()));
        }
        boot += all.iter().map(|booting| booting.ran).max().unwrap_or_default();
        // A figure for the next forecast; the instances are healthy without it.
        let _ = self.state().measured(release, Measured::Boot, Millis::from(boot).0);
        Ok(Some(format!("healthy {} after its start", Millis::from(boot))))
    }

    /// Takes in what the supervisor says, and fails when its instance ended or is out of time.
    fn look(&self, release: &Release, booting: &mut Booting, waited: Duration) -> Result<(), Fault> {
        // An error means that the supervisor is gone: the background sets a new one beside the instance, or this ends
        // with the time.
        while let Ok(Some(_)) = booting.handle.next(Duration::ZERO) {}
        let failed = booting.has_failed();
        if !failed && waited < release.spec.health.start_period.duration() {
            return Ok(());
        }
        if booting.asked && booting.last.is_none() {
            booting.last = Some(HealthAnswer::TimedOut);
        }
        let report = booting.handle.report().clone();
        Err(self.failed(release, booting, &report, waited))
    }

    /// Sends a health check on its way, when there is one to make and none is under way.
    fn ask(
        &self,
        release: &Release,
        number: usize,
        booting: &mut Booting,
        waited: Duration,
        answers: &Sender<Answer>,
    ) {
        let Some(address) = booting.row.address.clone() else { return };
        if booting.asked || waited < booting.ask_at && !booting.answers.hurries() {
            return;
        }
        booting.asked = true;
        booting.ask_at = waited + if waited < EAGER { LOOK_EAGER } else { LOOK };
        let (answers, health) = (answers.clone(), release.spec.health.clone());
        self.spawn(async move {
            // Nobody listens any more when another instance failed.
            let _ = answers.send((number, health::check(&address, &health).await));
        });
    }

    /// Why an instance did not become healthy, with its autopsy.
    fn failed(&self, release: &Release, booting: &Booting, report: &Report, waited: Duration) -> Fault {
        let autopsy = landfall_shim::autopsy(self.evidence(release, booting, report, waited));
        let message = if report.last_exit.is_some() {
            format!("an instance of {} ended before it was healthy: {}", release.id, autopsy.cause)
        } else {
            format!(
                "an instance of {} was not healthy after {}{}: {}",
                release.id,
                Millis::from(waited),
                booting.answers.told(),
                autopsy.cause
            )
        };
        let fault = Fault::application(message);
        match autopsy.advice.clone() {
            Some(advice) => fault.help(advice).autopsy(autopsy),
            None => fault.autopsy(autopsy),
        }
    }

    fn evidence(&self, release: &Release, booting: &Booting, report: &Report, waited: Duration) -> Evidence {
        let folder = self.dir().instance(&booting.row.id);
        let pids = report.pid.map(evidence::processes).unwrap_or_default();
        let order = self.order(release, &booting.row).ok();
        let mut variables: Vec<String> = order.map(|o| o.env.into_keys().collect()).unwrap_or_default();
        variables.extend(release.spec.secrets.iter().cloned());
        let lines = log::tail(&folder, AUTOPSY_LINES).unwrap_or_default();
        Evidence {
            instance: booting.row.id.clone(),
            command: release.spec.run.as_ref().map(ToString::to_string).unwrap_or_default(),
            expected: booting.row.address.clone(),
            exit: report.last_exit.clone(),
            restarts: report.restarts,
            waited_ms: Millis::from(waited).0,
            listeners: evidence::listeners(&pids),
            health: booting.last.clone(),
            log: lines.into_iter().map(|entry| (entry.stream, entry.line)).collect(),
            variables,
            memory: evidence::memory(&pids),
            memory_limit: release.spec.limits.memory,
            container: false,
        }
    }
}

/// Waits for answers, at most `wait`, and takes in what came.
fn listen(answers: &Receiver<Answer>, all: &mut [Booting], wait: Duration) {
    let first = answers.recv_timeout(wait).ok();
    for (number, answer) in first.into_iter().chain(answers.try_iter()) {
        let booting = &mut all[number];
        booting.asked = false;
        match answer {
            // While its process is between two lives somebody else answers there.
            Ok(()) if booting.handle.report().pid.is_none() => {}
            Ok(()) => booting.healthy = booting.answers.good(),
            Err(answer) => {
                booting.answers.bad();
                booting.last = Some(answer);
            }
        }
    }
}

/// Whether an instance without an address has stayed up for long enough.
fn is_stable(release: &Release, booting: &Booting, waited: Duration) -> bool {
    let up = booting.handle.report().pid.is_some();
    let long = booting.ran + waited >= release.spec.health.stable.duration();
    booting.row.address.is_none() && up && (release.spec.kind != Kind::Worker || long)
}
