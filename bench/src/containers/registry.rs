//! A registry on loopback, for who needs one.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use landfall_testkit::ask::ask;
use landfall_testkit::sandbox::free_address;
use landfall_testkit::wait::wait_for;

/// The longest it may take to start.
const LIMIT: Duration = Duration::from_secs(10);

/// Debian's `docker-registry` with a folder of its own; ended when dropped.
pub(super) struct Registry {
    child: Child,
    pub(super) address: String,
    _folder: tempfile::TempDir,
}

impl Registry {
    /// `None` where it is not installed or does not start.
    pub(super) fn start() -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        let address = free_address();
        let file = folder.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\nhttp: {{ addr: {address} }}\n",
            folder.path().join("data").display()
        );
        std::fs::write(&file, text).ok()?;
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let registry = Self { child: command.spawn().ok()?, address, _folder: folder };
        let answers = || ask(&registry.address, "localhost", "/v2/").ok();
        wait_for(LIMIT, answers)?;
        Some(registry)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
