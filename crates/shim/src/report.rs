//! What a shim says of its instance: sent to who listens, and kept in `report.json` for who comes later.

use std::io;
use std::path::{Path, PathBuf};

use landfall_model::{Exit, InstanceState, Timestamp};
use serde::{Deserialize, Serialize};

use crate::files;

/// The form of `report.json` that this version writes and reads.
const REPORT_FORMAT: u32 = 1;
/// The largest report that is read, in bytes.
const MAX_REPORT: u64 = 64 * 1024;

/// What a shim knows of its instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// `Booting` while the process runs (the shim knows nothing of health), `BackingOff`, `Stopping` or `Stopped`.
    pub state: InstanceState,
    /// The main process, while there is one.
    pub pid: Option<u32>,
    /// When the running process was started.
    pub started: Option<Timestamp>,
    /// Times it ended by itself and was, or will be, started again.
    pub restarts: u32,
    /// How it ended last.
    pub last_exit: Option<Exit>,
    /// The shim.
    pub shim_pid: u32,
}

/// A report as it is kept, with what a later shim needs to find the same process again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) format: u32,
    #[serde(flatten)]
    pub(crate) report: Report,
    /// When the process was started, in clock ticks since the boot (`proc_pid_stat(5)`, field 22): together with its
    /// number and the boot it names one process for ever.
    pub(crate) ticks: Option<u64>,
    /// The boot it runs in.
    pub(crate) boot: String,
    /// The control group it was put into.
    pub(crate) cgroup: Option<PathBuf>,
}

impl Kept {
    /// `report` with nothing beside it.
    pub(crate) fn new(report: Report) -> Self {
        Self { format: REPORT_FORMAT, report, ticks: None, boot: boot_id(), cgroup: None }
    }

    /// Reads the report in `folder`; `None` where there is none or none that can be used.
    pub(crate) fn read(folder: &Path) -> io::Result<Option<Self>> {
        let path = report_path(folder);
        let bytes = match files::read_bounded(&path, MAX_REPORT) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let kept: Self = serde_json::from_slice(&bytes).map_err(|why| files::malformed(&path, why))?;
        if kept.format != REPORT_FORMAT {
            return Err(files::malformed(&path, format_args!("form {}", kept.format)));
        }
        Ok(Some(kept))
    }

    /// Writes the report into `folder`.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        files::replace(&report_path(folder), &serde_json::to_vec(self)?)
    }
}

fn report_path(folder: &Path) -> PathBuf {
    folder.join("report.json")
}

/// Names the running boot of this machine; empty where the kernel does not say.
pub(crate) fn boot_id() -> String {
    files::read_bounded(Path::new("/proc/sys/kernel/random/boot_id"), 64)
        .map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned())
        .unwrap_or_default()
}

/// The last report that the shim of this folder left, for after it ended; `None` where none ever ran. As good as the
/// disk allowed: a shim on a full disk goes on without it.
///
/// # Errors
/// A report that cannot be read or is damaged.
pub fn last_report(folder: &Path) -> io::Result<Option<Report>> {
    Ok(Kept::read(folder)?.map(|kept| kept.report))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_report_round_trips_and_a_damaged_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(last_report(folder.path()).unwrap(), None);
        let report = Report {
            state: InstanceState::BackingOff,
            pid: None,
            started: None,
            restarts: 3,
            last_exit: Some(Exit { code: Some(1), signal: None, oom: false, at: Timestamp::from_millis(5) }),
            shim_pid: 7,
        };
        let kept = Kept { ticks: Some(9), cgroup: Some("/x".into()), ..Kept::new(report.clone()) };
        kept.write(folder.path()).unwrap();
        assert_eq!(Kept::read(folder.path()).unwrap(), Some(kept));
        assert_eq!(last_report(folder.path()).unwrap(), Some(report));
        std::fs::write(report_path(folder.path()), "{").unwrap();
        assert_eq!(last_report(folder.path()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
