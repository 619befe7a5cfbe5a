//! The application without Landfall: the same command in the same folder with the same variables, started and stopped
//! by hand. These are the times that Landfall's are held against.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use landfall_fx::{Clock as _, SystemClock};
use landfall_testkit::ask::ask;
use landfall_testkit::sandbox::{copy_folder, free_address, signal};

use super::deployed::{Application, Deployed};

/// The longest an application may take to boot or to stop here.
const LIMIT: Duration = Duration::from_secs(30);

/// How an application is started by hand.
pub(crate) struct Alone {
    application: Application,
    folder: PathBuf,
    variables: Vec<(OsString, OsString)>,
}

/// An application that runs.
pub(crate) struct Started {
    child: Child,
    /// From the start of its command to its first healthy answer.
    pub(crate) boot: Duration,
    /// Where it answers.
    pub(crate) address: String,
}

impl Alone {
    /// Learns folder and variables from the instance that runs.
    ///
    /// # Panics
    /// When none runs.
    pub(crate) fn like(deployed: &Deployed) -> Self {
        let pid = deployed.receipt().instances[0].pid.expect("the instance runs");
        let lives_in = std::fs::read_link(format!("/proc/{pid}/cwd")).expect("the instance has a folder");
        // A copy, for the release itself is pruned sooner or later.
        let folder = deployed.sandbox.root().join("alone");
        copy_folder(&lives_in, &folder, &[]).expect("the release can be copied");
        let environment = std::fs::read(format!("/proc/{pid}/environ")).expect("the instance has variables");
        let variables = environment.split(|byte| *byte == 0).filter_map(|entry| {
            let at = entry.iter().position(|byte| *byte == b'=')?;
            Some((OsString::from_vec(entry[..at].to_vec()), OsString::from_vec(entry[at + 1..].to_vec())))
        });
        Self { application: deployed.application, folder, variables: variables.collect() }
    }

    /// Starts it on a free port and waits for its first healthy answer.
    ///
    /// # Panics
    /// When it does not become healthy.
    pub(crate) fn start(&self) -> Started {
        let address = free_address();
        self.start_at(&address)
    }

    /// Starts it at an address.
    ///
    /// # Panics
    /// When it does not become healthy.
    pub(crate) fn start_at(&self, address: &str) -> Started {
        let (host, port) = address.rsplit_once(':').expect("an address has a port");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", self.application.line()]).current_dir(&self.folder).env_clear();
        command.envs(self.variables.iter().cloned()).env("HOST", host).env("PORT", port);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let begun = Instant::now();
        let child = command.spawn().expect("a shell");
        let clock = SystemClock::new();
        while !ask(address, "localhost", "/healthz").is_ok_and(|answer| answer.status == 200) {
            assert!(begun.elapsed() < LIMIT, "{} did not boot by itself", self.application.name());
            clock.sleep(Duration::from_millis(1));
        }
        Started { child, boot: begun.elapsed(), address: address.to_owned() }
    }
}

impl Started {
    /// Stops it with SIGTERM and gives how long that took.
    ///
    /// # Panics
    /// When the system will not tell of its end.
    pub(crate) fn stop(mut self) -> Duration {
        let begun = Instant::now();
        signal(self.child.id(), rustix::process::Signal::TERM);
        self.child.wait().expect("a child can be waited for");
        begun.elapsed()
    }
}
