//! What one instance is to run: `order.json` in its folder.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use landfall_model::{AppName, Backoff, Command, EnvironmentName, InstanceId, Limits, ReleaseId, Stop};
use serde::{Deserialize, Serialize};

use crate::{files, is_alive};

/// The form of `order.json` that this version writes and reads.
pub const ORDER_FORMAT: u32 = 1;
/// The largest order that is read, in bytes; the kernel takes about as much of arguments and environment.
const MAX_ORDER: u64 = 4 * 1024 * 1024;
/// Above this size in bytes `shim.log` is begun anew.
const MAX_SHIM_LOG: u64 = 1024 * 1024;

/// What an instance is to run; written as `order.json` (0600) into the instance's folder. Holds no secret values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// [`ORDER_FORMAT`].
    pub format: u32,
    /// The instance.
    pub instance: InstanceId,
    /// The release it runs.
    pub release: ReleaseId,
    /// The application.
    pub app: AppName,
    /// The environment.
    pub environment: EnvironmentName,
    /// From 1.
    pub ordinal: u32,
    /// What is run.
    pub command: Command,
    /// The folder it is run in, absolute.
    pub folder: PathBuf,
    /// Its complete environment without secrets; nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// The file in memory with its secrets ([`crate::write_secrets`]), read at each start.
    pub secrets: Option<PathBuf>,
    /// Where it is to answer, for people; the shim does not look at it.
    pub address: Option<String>,
    /// Limits on memory, open files and output.
    pub limits: Limits,
    /// How it is stopped.
    pub stop: Stop,
    /// Waits between restarts.
    pub backoff: Backoff,
}

impl Order {
    /// Reads the order of the instance that lives in `folder`.
    ///
    /// # Errors
    /// An order that is not there, is damaged, or is of a newer form than this version knows.
    pub fn read(folder: &Path) -> io::Result<Self> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let path = order_path(folder);
        let bytes = files::read_bounded(&path, MAX_ORDER)?;
        let wrong = |why: serde_json::Error| files::malformed(&path, why);
        match serde_json::from_slice::<Format>(&bytes).map_err(wrong)?.format {
            ORDER_FORMAT => serde_json::from_slice(&bytes).map_err(wrong),
            other => {
                Err(files::malformed(&path, format_args!("form {other}, this version knows {ORDER_FORMAT}")))
            }
        }
    }

    /// Writes the order into `folder`, as a whole or not at all.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        files::replace(&order_path(folder), &serde_json::to_vec(self)?)
    }
}

fn order_path(folder: &Path) -> PathBuf {
    folder.join("order.json")
}

/// Writes the order into `folder` and starts `program shim folder`, which puts itself into a session of its own; its
/// own messages go to `folder/shim.log`. Where a shim runs already its order stays as it is and the new one ends at
/// once. The caller waits for the child, so that no zombie stays; the child outlives a caller that does not.
///
/// # Errors
/// A folder that cannot be written to, a program that cannot be started.
pub fn spawn(program: &Path, folder: &Path, order: &Order) -> io::Result<Child> {
    let folder = std::path::absolute(folder)?;
    if !is_alive(&folder) {
        order.write(&folder)?;
    }
    let path = folder.join("shim.log");
    if std::fs::metadata(&path).is_ok_and(|facts| facts.len() > MAX_SHIM_LOG) {
        std::fs::remove_file(&path)?;
    }
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
    std::process::Command::new(program)
        .arg("shim")
        .arg(&folder)
        .current_dir("/")
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_of_another_form_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(order_path(folder.path()), r#"{"format": 2, "shape": "round"}"#).unwrap();
        let error = Order::read(folder.path()).unwrap_err();
        assert!(error.to_string().contains("form 2"), "{error}");
    }
}
