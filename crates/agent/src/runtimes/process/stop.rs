//! Stopping instances for good, whatever state their supervisors are in: answering, stuck, gone, or only about to come.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_model::{Fault, FaultKind, Release};
use landfall_shim::{Handle, last_report};
use rustix::process::{Pid, Signal};

use super::instances::{AFTER_GRACE, LOOK};
use crate::host::LocalHost;
use crate::state::InstanceRow;

/// A supervisor that takes no order for this long is replaced; each try to reach one may take 2 s by itself.
const UNREACHABLE: Duration = Duration::from_secs(2);

/// What tells a supervisor what to run; without it a new one ends at once (`landfall_shim::Order`).
const ORDER: &str = "order.json";

/// An instance that is being stopped.
pub(crate) struct Ending {
    row: InstanceRow,
    folder: PathBuf,
    /// Whether its supervisor took the order.
    asked: bool,
    /// Whether a supervisor that took the order and did nothing was killed; that is done once.
    replaced: bool,
    /// Since when it is waited for.
    since: Duration,
}

impl LocalHost {
    /// An instance that is to be stopped, look by look with [`Self::has_ended`].
    pub(crate) fn ending(&self, row: &InstanceRow) -> Ending {
        Ending {
            row: row.clone(),
            folder: self.dir().instance(&row.id),
            asked: false,
            replaced: false,
            since: self.clock().elapsed(),
        }
    }

    /// Stops all of them and forgets each once it is gone.
    pub(super) fn stop_all(&self, rows: &[InstanceRow], release: &Release) -> Result<(), Fault> {
        let mut left: Vec<Ending> = rows.iter().map(|row| self.ending(row)).collect();
        loop {
            let mut still = Vec::new();
            for mut ending in left {
                if self.has_ended(release, &mut ending)? {
                    self.state().remove_instance(&ending.row.id)?;
                } else {
                    still.push(ending);
                }
            }
            if still.is_empty() {
                return Ok(());
            }
            left = still;
            self.clock().sleep(LOOK);
        }
    }

    /// One look at one of them: does what is next, and says whether it is gone.
    pub(crate) fn has_ended(&self, release: &Release, ending: &mut Ending) -> Result<bool, Fault> {
        if !landfall_shim::is_alive(&ending.folder) {
            if self.is_orphaned(release, &ending.row) {
                // Its supervisor was killed and it was not: a new one adopts it, to stop it properly.
                self.spawn_supervisor(release, &ending.row)?;
                self.connect(&ending.row)?;
                (ending.asked, ending.since) = (false, self.clock().elapsed());
                return Ok(false);
            }
            // A supervisor may have been started and not yet be there. It finds no order when it comes now; one that
            // found it is there at this second look.
            withdraw(&ending.folder)?;
            return Ok(!landfall_shim::is_alive(&ending.folder));
        }
        let waited = self.clock().elapsed() - ending.since;
        if waited > release.spec.stop.grace.duration() + AFTER_GRACE {
            return Err(Fault::machine(format!(
                "an instance of {} does not end, not even by SIGKILL",
                release.id
            ))
            .kind(FaultKind::NeedsPerson)
            .help(format!("its supervisor is in {}", ending.folder.display())));
        }
        if ending.asked && !ending.replaced && waited > release.spec.stop.grace.duration() + UNREACHABLE {
            // It took the order, and got stuck over it.
            ending.replaced = true;
            kill_supervisor(&ending.folder);
        }
        if !ending.asked {
            // An error means that it is not listening yet, is gone, or is stuck.
            ending.asked = Handle::connect(&ending.folder).is_ok_and(|mut handle| handle.stop().is_ok());
            if !ending.asked && self.clock().elapsed() - ending.since > UNREACHABLE {
                kill_supervisor(&ending.folder);
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
