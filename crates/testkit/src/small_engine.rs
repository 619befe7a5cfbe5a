//! A Docker engine of one's own whose disk is small, to be filled: a `dockerd` with folders, socket and addresses of its
//! own, which leaves the machine's firewall alone. Needs root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::sandbox::{Disk, signal};
use crate::wait::wait_for;

/// How long it may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// An engine that runs. Ended when dropped; what was made in it has to be gone by then, networks above all.
#[derive(Debug)]
pub struct SmallEngine {
    process: Child,
    disk: Disk,
    folder: TempDir,
}

impl SmallEngine {
    /// Starts one with so many megabytes for images and containers. `None`, with a loud line, where that cannot be.
    ///
    /// # Panics
    /// When there is no room for a temporary folder.
    #[must_use]
    pub fn start(megabytes: u32) -> Option<Self> {
        // Short, for unix sockets live below it.
        let folder = tempfile::Builder::new().prefix("lfe").tempdir_in("/tmp").expect("a temporary folder");
        let disk = Disk::mount(&folder.path().join("disk"), megabytes)?;
        // Most machines have it so. On a private one dockerd mounts its folder upon itself while it runs, and what it
        // mounts in the moment that it ends lies below, out of reach of the next.
        disk.share();
        fs::write(folder.path().join("daemon.json"), "{}").expect("a file in a new folder");
        let Ok(process) = dockerd(folder.path()).spawn() else {
            eprintln!("SKIPPED: an engine with a small disk needs dockerd");
            return None;
        };
        let mut engine = Self { process, disk, folder };
        if !engine.answers() {
            let log = fs::read_to_string(engine.folder.path().join("log")).unwrap_or_default();
            let last = log.lines().last().unwrap_or_default().to_owned();
            eprintln!("SKIPPED: dockerd does not start on a small disk here: {last}");
            engine.end();
            return None;
        }
        Some(engine)
    }

    /// Ends it as a service manager does, and starts it again with all that it had.
    ///
    /// # Panics
    /// When it does not end or does not come back.
    pub fn restart(&mut self) {
        signal(self.process.id(), Signal::TERM);
        let ended = wait_for(PATIENCE, || self.process.try_wait().ok().flatten());
        assert!(ended.is_some(), "dockerd does not end");
        self.process = dockerd(self.folder.path()).spawn().expect("it could be started before");
        assert!(self.answers(), "dockerd does not come back");
    }

    /// Lets it answer nothing until what this gives is dropped.
    #[must_use]
    pub fn hang(&self) -> Hanging {
        signal(self.process.id(), Signal::STOP);
        Hanging { engine: self.process.id() }
    }

    fn answers(&self) -> bool {
        let asked = || self.docker(&["version"]).output().is_ok_and(|output| output.status.success());
        wait_for(PATIENCE, || asked().then_some(())).is_some()
    }

    /// Where it listens, as `DOCKER_HOST` says it.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("sock").display())
    }

    /// Its disk.
    #[must_use]
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Copies an image from another engine.
    ///
    /// # Panics
    /// When that engine has no such image, or this one no room for it.
    pub fn copy_image(&self, from: &str, image: &str) {
        let mut save = Command::new("docker");
        save.args(["--host", from, "save", image]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut save = save.spawn().expect("docker's command line is there where an engine is");
        let archive = save.stdout.take().expect("it is piped");
        let loaded = self.docker(&["load", "--quiet"]).stdin(archive).output().expect("docker can be run");
        assert!(save.wait().expect("a child can be waited for").success(), "docker save {image}");
        assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    }

    fn docker(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.args(["--host", &self.host()]).args(arguments).stdin(Stdio::null());
        command
    }

    /// Ends it and what it started.
    fn end(&mut self) {
        signal(self.process.id(), Signal::TERM);
        let ended = wait_for(PATIENCE, || self.process.try_wait().ok().flatten());
        if ended.is_none() {
            let _ = self.process.kill();
            let _ = self.process.wait();
            end_containerd(&self.folder.path().join("exec/containerd/containerd.pid"));
        }
        unmount_below(self.folder.path());
    }
}

/// An engine that answers nothing for as long as this is there.
#[derive(Debug)]
pub struct Hanging {
    engine: u32,
}

impl Drop for Hanging {
    fn drop(&mut self) {
        signal(self.engine, Signal::CONT);
    }
}

impl Drop for SmallEngine {
    fn drop(&mut self) {
        self.end();
    }
}

/// The engine with everything that it has below a folder.
fn dockerd(folder: &Path) -> Command {
    let at = |name: &str| folder.join(name);
    let log =
        fs::OpenOptions::new().create(true).append(true).open(at("log")).expect("a file in a new folder");
    let mut command = Command::new("dockerd");
    command.arg(format!("--host=unix://{}", at("sock").display()));
    for (flag, path) in [
        ("data-root", at("disk/data")),
        ("exec-root", at("exec")),
        ("pidfile", at("pid")),
        ("config-file", at("daemon.json")),
    ] {
        command.arg(format!("--{flag}={}", path.display()));
    }
    command.args(["--bridge=none", "--iptables=false", "--ip6tables=false", "--log-level=warn"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command
}

/// The one that an engine starts for itself ends with it, unless that was killed.
fn end_containerd(pid: &Path) {
    let pid = fs::read_to_string(pid).ok().and_then(|text| text.trim().parse().ok());
    if let Some(pid) = pid {
        signal(pid, Signal::KILL);
    }
}

/// What a killed engine has not unmounted; its disk's own mount is the disk's.
fn unmount_below(folder: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(PathBuf::from);
    let disk = folder.join("disk");
    let mut ours: Vec<PathBuf> = places.filter(|place| place.starts_with(folder) && *place != disk).collect();
    ours.reverse();
    for place in ours {
        let _ = Command::new("umount").arg("--lazy").arg(place).status();
    }
}
