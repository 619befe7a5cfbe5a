//! Instances of releases: where they listen, what they run, and a supervisor beside each.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use landfall_model::{Fault, InstanceState, Release};
use landfall_shim::{Handle, Order, evidence, last_report, spawn};

use super::{environment, ports};
use crate::host::LocalHost;
use crate::runtimes::instances::{AFTER_GRACE, LATE, LOOK};
use crate::state::InstanceRow;

/// How long a supervisor may take until it answers.
const SUPERVISOR_START: Duration = Duration::from_secs(10);

impl LocalHost {
    /// Gives rows addresses. What is known keeps its address, unless somebody else listens there by now, as after a
    /// restart of the machine.
    pub(super) fn place_processes(&self, release: &Release, rows: &mut [InstanceRow]) -> Result<(), Fault> {
        let mut taken = self.addresses()?;
        for row in rows.iter_mut().filter(|row| row.address.is_some()) {
            *row = self.with_usable_address(release, row, &taken)?;
            taken.extend(row.address.clone());
        }
        if environment::has_address(release) {
            let missing = rows.iter().filter(|row| row.address.is_none()).count();
            let mut addresses = ports::choose(missing, &taken)?.into_iter();
            for row in rows.iter_mut().filter(|row| row.address.is_none()) {
                row.address = addresses.next();
            }
        }
        Ok(())
    }

    /// The row as it is; with a new address, none of `taken`, when it does not run and another process listens on the one it had.
    fn with_usable_address(
        &self,
        release: &Release,
        row: &InstanceRow,
        taken: &BTreeSet<String>,
    ) -> Result<InstanceRow, Fault> {
        let Some(address) = &row.address else { return Ok(row.clone()) };
        let folder = self.dir().instance(&row.id);
        if landfall_shim::is_alive(&folder) || ports::is_free(address) {
            return Ok(row.clone());
        }
        let mut holder = ports::holders(address).into_iter();
        if holder.any(|pid| belongs(pid, row, &self.dir().release(release))) {
            return Ok(row.clone());
        }
        let address = ports::choose(1, taken)?.pop();
        Ok(InstanceRow { address, ..row.clone() })
    }

    pub(super) fn order(&self, release: &Release, row: &InstanceRow) -> Result<Order, Fault> {
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

    /// Starts the supervisor of an instance unless one is there; waits for one that is ending. A new one adopts a
    /// process that still runs.
    pub(super) fn ensure_supervisor(&self, release: &Release, row: &InstanceRow) -> Result<(), Fault> {
        if self.is_supervised(release, row)? {
            return Ok(());
        }
        // Secrets are in memory: without them the instance would start with a hole in its environment.
        if !self.is_orphaned(release, row) {
            self.secret_values(release)?;
        }
        self.make_volumes(release)?;
        self.spawn_supervisor(release, row)
    }

    /// Whether a supervisor is there that goes on. One that was told to stop, maybe by an agent that was killed since,
    /// is waited for.
    fn is_supervised(&self, release: &Release, row: &InstanceRow) -> Result<bool, Fault> {
        let folder = self.dir().instance(&row.id);
        let begun = self.clock().elapsed();
        let limit = release.spec.stop.grace.duration() + AFTER_GRACE;
        while landfall_shim::is_alive(&folder) {
            match Handle::connect(&folder) {
                Ok(handle) => match handle.report().state {
                    InstanceState::Stopping | InstanceState::Stopped => {}
                    _ => return Ok(true),
                },
                // It does not answer: whoever waits for it says so.
                Err(error) if error.kind() == std::io::ErrorKind::TimedOut => return Ok(true),
                // It is about to listen, or about to be gone.
                Err(_) => {}
            }
            if self.clock().elapsed() - begun > limit {
                return Err(Fault::machine(format!(
                    "an instance of {} is stopping and does not end",
                    release.id
                ))
                .help(format!("its supervisor is in {}", folder.display())));
            }
            self.clock().sleep(LOOK);
        }
        Ok(false)
    }

    /// Starts a supervisor, which finds out by itself what an earlier one left.
    pub(super) fn spawn_supervisor(&self, release: &Release, row: &InstanceRow) -> Result<(), Fault> {
        let folder = self.dir().instance(&row.id);
        let order = self.order(release, row)?;
        std::fs::create_dir_all(&folder)
            .map_err(|e| Fault::machine(format!("{} cannot be made: {e}", folder.display())))?;
        let mut child = spawn(self.program(), &folder, &order).map_err(|error| {
            Fault::machine(format!("the supervisor of {} does not start: {error}", release.id))
        })?;
        // Somebody has to take the exit status of a child, or it stays behind as a zombie until the agent ends.
        std::thread::spawn(move || child.wait());
        Ok(())
    }

    /// Whether the instance's process still runs although its supervisor does not.
    pub(super) fn is_orphaned(&self, release: &Release, row: &InstanceRow) -> bool {
        let folder = self.dir().instance(&row.id);
        let pid = last_report(&folder).ok().flatten().and_then(|report| report.pid);
        pid.is_some_and(|pid| belongs(pid, row, &self.dir().release(release)))
    }

    /// Connects to an instance's supervisor, which may have been started just now.
    pub(super) fn connect(&self, row: &InstanceRow) -> Result<Handle, Fault> {
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

    /// Whether an instance was told to end, has longer for that than anybody waits, and is to start again when it has.
    pub(super) fn is_late(&self, release: &Release, row: &InstanceRow) -> bool {
        let connect = || Handle::connect(&self.dir().instance(&row.id));
        release.spec.stop.grace.duration() > LATE
            && connect().is_ok_and(|handle| handle.report().state == InstanceState::Stopping)
    }
}

/// Whether a process is one of this instance. A program may write over the memory its environment lies in (process
/// titles); where it runs has to do then.
fn belongs(pid: u32, row: &InstanceRow, folder: &Path) -> bool {
    let Some(environ) = evidence::environ_of(pid) else { return false };
    match environ.get("LANDFALL_INSTANCE") {
        Some(id) => id == row.id.as_str(),
        None => evidence::folder_of(pid).is_some_and(|runs_in| runs_in.starts_with(folder)),
    }
}
