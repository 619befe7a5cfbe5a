//! One instance under a real shim, in a folder of its own; gone at the end whatever happens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process};
use std::time::{Duration, Instant};

use landfall_model::{Backoff, Command, InstanceId, InstanceState, Limits, Millis, ReleaseId, Stop};
use landfall_shim::log::{Entry, tail};
use landfall_shim::{Handle, ORDER_FORMAT, Order, Report, evidence, spawn};

/// Longer than anything here takes on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Names the folder to the test program when it is to be a shim.
pub(crate) const SHIM_FOLDER: &str = "SHIM_FOLDER";
/// How the test program is called to be a shim: the one test [`as_shim`], on its main thread.
pub(crate) const AS_SHIM: [&str; 5] =
    ["instance::as_shim", "--exact", "--ignored", "--nocapture", "--test-threads=1"];

/// What `landfall` is to these tests: a script that calls the test program itself.
pub(crate) fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/shim.sh")
}

/// Lets the script find the test program.
pub(crate) fn link_program(folder: &Path) {
    std::os::unix::fs::symlink(std::env::current_exe().unwrap(), folder.join("program")).unwrap();
}

/// Not a test: what a shim runs as.
#[test]
#[ignore = "runs as a shim when a test starts it"]
fn as_shim() {
    if let Some(folder) = std::env::var_os(SHIM_FOLDER) {
        assert_eq!(landfall_shim::run(Path::new(&folder)), std::process::ExitCode::SUCCESS);
    }
}

/// An instance with its shim.
pub(crate) struct Instance {
    folder: tempfile::TempDir,
    pub(crate) order: Order,
    children: Vec<Child>,
}

impl Instance {
    /// An instance that is to run this shell line; nothing is started yet.
    pub(crate) fn new(line: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let work = folder.path().join("work");
        std::fs::create_dir(&work).unwrap();
        link_program(folder.path());
        let release = ReleaseId::new("web".parse().unwrap(), "1.0.0-20261120131502-3f2a1c9".parse().unwrap());
        let (app, environment) = ("guestbook".parse().unwrap(), "dev".parse().unwrap());
        let path = std::env::var("PATH").unwrap();
        let order = Order {
            format: ORDER_FORMAT,
            // The name of the control group: no two tests may share it.
            instance: unique(folder.path()),
            release,
            app,
            environment,
            ordinal: 1,
            command: Command::Line(line.to_owned()),
            folder: work,
            env: BTreeMap::from([("PATH".to_owned(), path), ("GIVEN".to_owned(), "yes".to_owned())]),
            secrets: None,
            address: None,
            limits: Limits::default(),
            stop: Stop { signal: "TERM".to_owned(), grace: Millis(10_000) },
            backoff: Backoff { first: Millis(50), max: Millis(60_000) },
        };
        Self { folder, order, children: Vec::new() }
    }

    /// The same, with the shell as the main process that gets the signals, alone.
    pub(crate) fn script(script: &str) -> Self {
        let mut instance = Self::new("");
        instance.order.command = Command::Words(["sh", "-c", script].map(str::to_owned).to_vec());
        instance
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a shim and connects to it.
    pub(crate) fn start(&mut self) -> Handle {
        self.children.push(spawn(&program(), self.folder(), &self.order).unwrap());
        self.connect()
    }

    /// Connects to the shim as soon as there is one.
    pub(crate) fn connect(&self) -> Handle {
        let mut found = None;
        eventually("a shim that answers", || {
            found = Handle::connect(self.folder()).ok();
            found.is_some()
        });
        found.unwrap()
    }

    /// Waits for the shim that was started last to end.
    pub(crate) fn wait(&mut self) -> bool {
        self.children.last_mut().unwrap().wait().unwrap().success()
    }

    /// Kills the shim as nothing else would: SIGKILL.
    pub(crate) fn kill_shim(&mut self) {
        let mut child = self.children.pop().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// What was printed so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.entries().into_iter().map(|entry| entry.line).collect()
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        tail(self.folder(), 10_000).unwrap()
    }

    /// Waits until this line was printed, and not many after it.
    pub(crate) fn printed(&self, line: &str) {
        eventually(&format!("the line {line:?}"), || {
            tail(self.folder(), 50).unwrap().iter().any(|found| found.line == line)
        });
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // As it should be ended, so that nothing is left; and if that does not work, as it can be.
        let pid = landfall_shim::last_report(self.folder()).ok().flatten().and_then(|report| report.pid);
        if let Ok(mut handle) = Handle::connect(self.folder()) {
            let _ = handle.stop();
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(3) && handle.next(Duration::from_millis(100)).is_ok()
            {
            }
        }
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        for pid in pid.map(evidence::processes).unwrap_or_default() {
            let _ = Process::new("kill").args(["-KILL", &pid.to_string()]).status();
        }
    }
}

fn unique(folder: &Path) -> InstanceId {
    let digest = landfall_model::Digest::of(folder.as_os_str().as_encoded_bytes());
    digest.hex()[..10].parse().unwrap()
}

/// Waits until something is so; fails when it never is.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        pause(5);
    }
}

/// Waits some milliseconds.
#[expect(clippy::disallowed_methods, reason = "a test of real processes waits in real time")]
pub(crate) fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// Waits for a report like this.
pub(crate) fn reported(handle: &mut Handle, is_it: impl Fn(&Report) -> bool) -> Report {
    let begun = Instant::now();
    while !is_it(handle.report()) {
        assert!(begun.elapsed() < PATIENCE, "in vain; the last report is {:?}", handle.report());
        handle.next(Duration::from_millis(100)).unwrap();
    }
    handle.report().clone()
}

pub(crate) fn in_state(handle: &mut Handle, state: InstanceState) -> Report {
    reported(handle, |report| report.state == state)
}
