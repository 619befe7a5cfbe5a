//! The back end that all proxies share: Debian's nginx with an answer from memory and a large file.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use landfall_testkit::sandbox::free_address;

use super::configuration;
use super::started::Killed;
use super::wrk::accepts;

/// The size of the large file, in bytes: 1 GB. It is sparse, so that it takes no room on the disk.
pub(crate) const LARGE: u64 = 1_000_000_000;

/// Its path.
pub(crate) const LARGE_PATH: &str = "/files/large";

/// A back end that runs until it is dropped.
pub(crate) struct Back {
    pub(crate) address: String,
    _process: Killed,
    _folder: tempfile::TempDir,
}

impl Back {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// When nginx does not start.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = free_address();
        let large = File::create(folder.path().join("large")).expect("a file");
        large.set_len(LARGE).expect("a sparse file");
        open_to_workers(folder.path());
        let config = folder.path().join("nginx.conf");
        let text = configuration::back_end(folder.path(), &address, folder.path());
        std::fs::write(&config, text).expect("a file");
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder.path()).arg("-c").arg(&config).stdin(Stdio::null());
        let process = Killed::start(command, &folder.path().join("output"));
        assert!(accepts(&address, Duration::from_secs(10)), "the back end does not listen");
        Self { address, _process: process, _folder: folder }
    }
}

/// nginx's workers are another user when root starts it.
fn open_to_workers(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("the folder is ours");
}
