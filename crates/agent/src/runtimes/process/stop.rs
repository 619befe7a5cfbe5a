//! Stopping instances for good, whatever state their supervisors are in: answering, stuck, gone, or only about to come.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_model::{Fault, FaultKind, Release};
use landfall_shim::{Handle, last_report};
use rustix::process::{Pid, Signal};

use crate::host::LocalHost;
use crate::runtimes::instances::AFTER_GRACE;
use crate::state::InstanceRow;

/// A supervisor that takes no order for this long is replaced; each try to reach one may take 2 s by itself.
const UNREACHABLE: Duration = Duration::from_secs(2);

/// What tells a supervisor what to run; without it a new one ends at once (`landfall_shim::Order`).
const ORDER: &str = "order.json";

/// An instance that is being stopped.
pub(super) struct Ending {
    row: InstanceRow,
    folder: PathBuf,
    /// Whether its supervisor took the order.
    asked: bool,
    /// Whether a supervisor that took the order and did nothing was killed; that is done once.
    replaced: bool,
    /// Since when it is waited for.
    since: Duration,
}

impl Ending {
    pub(super) fn new(host: &LocalHost, row: &InstanceRow) -> Self {
        Self {
            row: row.clone(),
            folder: host.dir().instance(&row.id),
            asked: false,
            replaced: false,
            since: host.clock().elapsed(),
        }
    }
}

impl crate::runtimes::Ending for Ending {
    fn has_ended(&mut self, host: &LocalHost, release: &Release) -> Result<bool, Fault> {
        if !landfall_shim::is_alive(&self.folder) {
            if host.is_orphaned(release, &self.row) {
                // Its supervisor was killed and it was not: a new one adopts it, to stop it properly.
                host.spawn_supervisor(release, &self.row)?;
                host.connect(&self.row)?;
                (self.asked, self.since) = (false, host.clock().elapsed());
                return Ok(false);
            }
            // A supervisor may have been started and not yet be there. It finds no order when it comes now; one that
            // found it is there at this second look.
            withdraw(&self.folder)?;
            return Ok(!landfall_shim::is_alive(&self.folder));
        }
        let waited = host.clock().elapsed() - self.since;
        if waited > release.spec.stop.grace.duration() + AFTER_GRACE {
            return Err(Fault::machine(format!(
                "an instance of {} does not end, not even by SIGKILL",
                release.id
            ))
            .kind(FaultKind::NeedsPerson)
            .help(format!("its supervisor is in {}", self.folder.display())));
        }
        if self.asked && !self.replaced && waited > release.spec.stop.grace.duration() + UNREACHABLE {
            // It took the order, and got stuck over it.
            self.replaced = true;
            kill_supervisor(&self.folder);
        }
        if !self.asked {
            // An error means that it is not listening yet, is gone, or is stuck.
            self.asked = Handle::connect(&self.folder).is_ok_and(|mut handle| handle.stop().is_ok());
            if !self.asked && host.clock().elapsed() - self.since > UNREACHABLE {
                kill_supervisor(&self.folder);
            }
        }
        Ok(false)
    }
}

fn withdraw(folder: &Path) -> Result<(), Fault> {
    match std::fs::remove_file(folder.join(ORDER)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Fault::machine(format!("{} cannot be removed: {error}", folder.join(ORDER).display())))
        }
        _ => Ok(()),
    }
}

/// Kills the supervisor, which is known by its lock. Its instance goes on, and is adopted by the next.
fn kill_supervisor(folder: &Path) {
    let Some(pid) = last_report(folder).ok().flatten().map(|report| report.shim_pid) else { return };
    let lock = folder.join("shim.lock");
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let holds = open.into_iter().any(|file| std::fs::read_link(file.path()).is_ok_and(|path| path == lock));
    if let Some(pid) = Pid::from_raw(pid.cast_signed()).filter(|_| holds) {
        // One that is gone by now is what was wanted.
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
}
