//! Instances of releases: started under supervisors, waited for, stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_fx::host::{Instances, Note, Task};
use landfall_model::{
    Evidence, Fault, FaultKind, HealthAnswer, InstanceId, InstanceState, Kind, Millis, ReceiptInstance,
    Release, ReleaseState,
};
use landfall_shim::{Handle, Order, Report, evidence, last_report, log, spawn};

use super::{environment, health, ports};
use crate::host::LocalHost;
use crate::state::{InstanceRow, Measured};

/// How long a supervisor may take until it answers.
const SUPERVISOR_START: Duration = Duration::from_secs(10);

/// What is added to an instance's grace until its end counts as impossible.
const AFTER_GRACE: Duration = Duration::from_secs(10);

/// Between two looks at a booting instance at first, and after `EAGER`.
const LOOK_EAGER: Duration = Duration::from_millis(4);
const LOOK: Duration = Duration::from_millis(50);
const EAGER: Duration = Duration::from_secs(5);

/// Lines of output that go into an autopsy.
const AUTOPSY_LINES: usize = 40;

/// An instance that is waited for.
struct Booting {
    row: InstanceRow,
    handle: Handle,
    restarts_before: u32,
    last: Option<HealthAnswer>,
}

impl LocalHost {
    fn instance_rows(&self, release: &Release) -> Result<Vec<InstanceRow>, Fault> {
        let known: BTreeMap<InstanceId, InstanceRow> =
            self.state().instances_of(release)?.into_iter().map(|row| (row.id.clone(), row)).collect();
        let wanted = release.instances();
        let missing: Vec<&InstanceId> = wanted.iter().filter(|id| !known.contains_key(*id)).collect();
        let mut addresses = Vec::new();
        if environment::has_address(release) && !missing.is_empty() {
            let taken: BTreeSet<String> =
                self.state().instances()?.into_iter().filter_map(|row| row.address).collect();
            addresses = ports::choose(missing.len(), &taken)?;
        }
        let mut addresses = addresses.into_iter();
        let rows: Vec<InstanceRow> = (1..)
            .zip(&wanted)
            .map(|(ordinal, id)| {
                known.get(id).cloned().unwrap_or_else(|| InstanceRow {
                    id: id.clone(),
                    app: release.app.clone(),
                    environment: release.environment.clone(),
                    release: release.id.clone(),
                    ordinal,
                    address: addresses.next(),
                })
            })
            .collect();
        Ok(rows)
    }

    fn order(&self, release: &Release, row: &InstanceRow) -> Result<Order, Fault> {
        let spec = &release.spec;
        let command = spec.run.clone().ok_or_else(|| {
            Fault::usage(format!("service `{}` has no `run`: there is nothing to start", release.service()))
        })?;
        let additions = self.prepared(release)?.map(|p| p.additions).unwrap_or_default();
        let base = environment::inherited(self.variables());
        let mut env = environment::of_release(release, base, &additions, &|name: &str| {
            self.volume_path(release, name)
        })?;
        if let Some(address) = &row.address {
            environment::with_address(&mut env, address);
        }
        env.insert("LANDFALL_INSTANCE".to_owned(), row.id.to_string());
        let secrets = (!spec.secrets.is_empty()).then(|| self.dir().secrets(release));
        Ok(Order {
            format: landfall_shim::ORDER_FORMAT,
            instance: row.id.clone(),
            release: release.id.clone(),
            app: release.app.clone(),
            environment: release.environment.clone(),
            ordinal: row.ordinal,
            command,
            folder: self.dir().release(release),
            env,
            secrets,
            address: row.address.clone(),
            limits: spec.limits.clone(),
            stop: spec.stop.clone(),
            backoff: spec.backoff.clone(),
        })
    }

    /// Starts the supervisor of an instance unless one is there. A new one adopts a process that still runs.
    pub(crate) fn ensure_supervisor(&self, release: &Release, row: &InstanceRow) -> Result<(), Fault> {
        let folder = self.dir().instance(&row.id);
        if landfall_shim::is_alive(&folder) {
            return Ok(());
        }
        // Secrets are in memory: without them the instance would start with a hole in its environment.
        self.secret_values(release)?;
        let order = self.order(release, row)?;
        for name in release.spec.volumes.keys() {
            let volume = self.volume_path(release, name);
            std::fs::create_dir_all(&volume)
                .map_err(|e| Fault::machine(format!("{} cannot be made: {e}", volume.display())))?;
        }
        std::fs::create_dir_all(&folder)
            .map_err(|e| Fault::machine(format!("{} cannot be made: {e}", folder.display())))?;
        let mut child = spawn(self.program(), &folder, &order).map_err(|error| {
            Fault::machine(format!("the supervisor of {} does not start: {error}", release.id))
        })?;
        // Somebody has to take the exit status of a child, or it stays behind as a zombie until the agent ends.
        std::thread::spawn(move || child.wait());
        Ok(())
    }

    fn connect(&self, row: &InstanceRow) -> Result<Handle, Fault> {
        let folder = self.dir().instance(&row.id);
        let begun = self.clock().elapsed();
        loop {
            match Handle::connect(&folder) {
                Ok(handle) => return Ok(handle),
                Err(error) if self.clock().elapsed() - begun > SUPERVISOR_START => {
                    let log = std::fs::read_to_string(folder.join("shim.log")).unwrap_or_default();
                    return Err(Fault::machine(format!(
                        "the supervisor of {} does not answer: {error} {}",
                        row.release,
                        log.lines().last().unwrap_or_default()
                    )));
                }
                Err(_) => self.clock().sleep(Duration::from_millis(1)),
            }
        }
    }

    /// One look at one booting instance: `true` when it is healthy.
    fn look(&self, release: &Release, booting: &mut Booting, waited: Duration) -> Result<bool, Fault> {
        let report = booting.handle.report().clone();
        if report.restarts > booting.restarts_before || report.state != InstanceState::Booting {
            return Err(self.failed(release, booting, &report, waited));
        }
        if release.spec.kind == Kind::Worker {
            let stable = release.spec.health.stable.duration();
            return Ok(report.started.is_some_and(|started| self.clock().now().since(started) >= stable));
        }
        let Some(address) = &booting.row.address else { return Ok(true) };
        match self.wait_for(health::check(address, &release.spec.health)) {
            Ok(()) => Ok(true),
            Err(answer) => {
                booting.last = Some(answer);
                Ok(false)
            }
        }
    }

    /// Why an instance did not become healthy, with its autopsy.
    fn failed(&self, release: &Release, booting: &Booting, report: &Report, waited: Duration) -> Fault {
        let autopsy = landfall_shim::autopsy(self.evidence(release, booting, report, waited));
        let message = if report.last_exit.is_some() {
            format!("an instance of {} ended before it was healthy: {}", release.id, autopsy.cause)
        } else {
            format!(
                "an instance of {} was not healthy after {}: {}",
                release.id,
                Millis::from(waited),
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
        let folder: PathBuf = self.dir().instance(&booting.row.id);
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
        }
    }

    /// Reads back each instance there should be of a release.
    pub(crate) fn rows_of(&self, release: &Release) -> Result<Vec<InstanceRow>, Fault> {
        let rows = self.state().instances_of(release)?;
        let wanted = release.instances().len();
        if rows.len() == wanted {
            Ok(rows)
        } else {
            Err(Fault::machine(format!(
                "{} has {} instances and should have {wanted}",
                release.id,
                rows.len()
            )))
        }
    }

    fn stop_all(&self, rows: &[InstanceRow], release: &Release) -> Result<(), Fault> {
        let mut stopping = Vec::new();
        for row in rows {
            let folder = self.dir().instance(&row.id);
            if !landfall_shim::is_alive(&folder) && is_orphaned(row, &folder) {
                // Its supervisor was killed and it was not: a new one adopts it, to stop it properly.
                self.ensure_supervisor(release, row)?;
                self.connect(row)?;
            }
            if landfall_shim::is_alive(&folder)
                && let Ok(mut handle) = Handle::connect(&folder)
            {
                // An error here means that it has ended by itself meanwhile; that is looked at below.
                let _ = handle.stop();
            }
            stopping.push(folder);
        }
        let limit = release.spec.stop.grace.duration() + AFTER_GRACE;
        let begun = self.clock().elapsed();
        for (row, folder) in rows.iter().zip(&stopping) {
            while landfall_shim::is_alive(folder) {
                if self.clock().elapsed() - begun > limit {
                    return Err(Fault::machine(format!(
                        "an instance of {} does not end, not even by SIGKILL",
                        release.id
                    ))
                    .kind(FaultKind::NeedsPerson)
                    .help(format!("its supervisor is in {}", folder.display())));
                }
                self.clock().sleep(Duration::from_millis(2));
            }
            self.state().remove_instance(&row.id)?;
        }
        Ok(())
    }
}

impl Instances for LocalHost {
    fn start(&self, release: &Release, _task: &dyn Task) -> Result<Note, Fault> {
        let known = self.state().release(&release.app, &release.environment, &release.id)?;
        if known.is_some_and(|known| known.state == ReleaseState::Retiring) {
            self.state().set_release_state(release, ReleaseState::Kept)?;
        }
        let rows = self.instance_rows(release)?;
        self.state().add_instances(&rows)?;
        let warm = rows.iter().filter(|row| landfall_shim::is_alive(&self.dir().instance(&row.id))).count();
        for row in &rows {
            self.ensure_supervisor(release, row)?;
        }
        Ok(match (rows.len(), warm) {
            (all, warm) if all == warm => Some("still warm".to_owned()),
            (1, _) => rows[0].address.clone(),
            (all, _) => Some(format!("{all} instances")),
        })
    }

    fn await_healthy(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        let mut waiting = Vec::new();
        for row in self.rows_of(release)? {
            let handle = self.connect(&row)?;
            // A warm instance may have been restarted long ago; only what happens from here on counts.
            let report = handle.report();
            let settled =
                report.started.is_some_and(|s| self.clock().now().since(s) > Duration::from_secs(60));
            let restarts_before = if settled { report.restarts } else { 0 };
            waiting.push(Booting { row, handle, restarts_before, last: None });
        }
        let begun = self.clock().elapsed();
        let limit = release.spec.health.start_period.duration();
        let mut boot = Duration::ZERO;
        while !waiting.is_empty() {
            let waited = self.clock().elapsed() - begun;
            if task.cancelled() {
                return Err(
                    Fault::application("waiting for health was interrupted").kind(FaultKind::Interrupted)
                );
            }
            let mut still = Vec::new();
            for mut booting in waiting {
                if self.look(release, &mut booting, waited)? {
                    let started = booting.handle.report().started;
                    boot = boot.max(started.map_or(waited, |started| self.clock().now().since(started)));
                } else if waited >= limit {
                    let report = booting.handle.report().clone();
                    return Err(self.failed(release, &booting, &report, waited));
                } else {
                    still.push(booting);
                }
            }
            waiting = still;
            // Waiting on the first one's supervisor also tells at once when it ends.
            if let Some(first) = waiting.first_mut() {
                let look = if waited < EAGER { LOOK_EAGER } else { LOOK };
                // An error means that the supervisor is gone; the next look finds out why.
                let _ = first.handle.next(look);
            }
        }
        if boot > Duration::ZERO && boot < limit {
            self.state().measured(release, Measured::Boot, Millis::from(boot).0)?;
        }
        Ok(Some(format!("healthy {} after its start", Millis::from(boot))))
    }

    fn stop(&self, release: &Release) -> Result<Note, Fault> {
        let rows = self.state().instances_of(release)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let begun = self.clock().elapsed();
        self.stop_all(&rows, release)?;
        self.state().measured(release, Measured::Stop, Millis::from(self.clock().elapsed() - begun).0)?;
        Ok(None)
    }

    fn is_running(&self, release: &Release) -> Result<bool, Fault> {
        let rows = self.state().instances_of(release)?;
        Ok(rows.iter().any(|row| landfall_shim::is_alive(&self.dir().instance(&row.id))))
    }

    fn read_back(&self, release: &Release) -> Result<Vec<ReceiptInstance>, Fault> {
        self.read_back_release(release)
    }

    fn retire(&self, release: &Release) -> Result<Note, Fault> {
        self.state().set_release_state(release, ReleaseState::Retiring)?;
        self.retiring().notify_one();
        Ok(Some("drains and stops in the background".to_owned()))
    }
}

/// Whether the instance's process still runs although its supervisor does not.
fn is_orphaned(row: &InstanceRow, folder: &Path) -> bool {
    let pid = last_report(folder).ok().flatten().and_then(|report| report.pid);
    let environ = pid.and_then(evidence::environ_of);
    environ
        .is_some_and(|environ| environ.get("LANDFALL_INSTANCE").map(String::as_str) == Some(row.id.as_str()))
}
