//! Starts a program in a session of its own with limits: the only place that runs code between `fork` and `exec`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Resource, Rlimit};

use crate::program::Program;

/// What a process is started with, beside its program.
pub(crate) struct Surroundings<'a> {
    /// The folder it works in.
    pub(crate) folder: &'a Path,
    /// Its complete environment.
    pub(crate) env: &'a BTreeMap<String, String>,
    pub(crate) stdout: Stdio,
    pub(crate) stderr: Stdio,
    /// Its limit on open files.
    pub(crate) files: Option<u64>,
    /// The open `cgroup.procs` of the control group it is put into.
    pub(crate) cgroup: Option<File>,
}

/// Starts the program as the leader of a new session and process group. It is in its control group, and its limits are
/// set, before its first instruction.
///
/// # Errors
/// What `fork` and `exec` refuse.
pub(crate) fn start(program: &Program, surroundings: Surroundings<'_>) -> io::Result<Child> {
    let mut command = Command::new(&program.file);
    if let Some((name, arguments)) = program.words.split_first() {
        command.arg0(name).args(arguments);
    }
    command
        .current_dir(surroundings.folder)
        .env_clear()
        .envs(surroundings.env)
        .stdin(Stdio::null())
        .stdout(surroundings.stdout)
        .stderr(surroundings.stderr);
    let (files, cgroup) = (surroundings.files, surroundings.cgroup);
    let prepare = move || {
        rustix::process::setsid()?;
        if let Some(cgroup) = &cgroup {
            // "0" is the writing process itself (cgroups(7)). A group that is gone by now is no reason not to start.
            let _ = rustix::io::write(cgroup, b"0");
        }
        if let Some(files) = files {
            limit_files(files);
        }
        Ok(())
    };
    #[expect(unsafe_code, reason = "std offers no other way into a new session")]
    // SAFETY: between fork and exec of a process that may have had other threads only async-signal-safe work is
    // allowed. `prepare` makes the system calls setsid, write, getrlimit and setrlimit through rustix, which adds
    // nothing to them, converts their errno into an `io::Error` without allocating, and takes no lock. What it
    // captures was made before the fork and is not dropped in the child.
    unsafe {
        command.pre_exec(prepare);
    }
    command.spawn()
}

/// Limits this process's open files; what may not be raised is brought as near as it may.
fn limit_files(files: u64) {
    let wanted = Rlimit { current: Some(files), maximum: Some(files) };
    if rustix::process::setrlimit(Resource::Nofile, wanted).is_err() {
        let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
        let nearest = Some(maximum.map_or(files, |maximum| maximum.min(files)));
        let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: nearest, maximum: nearest });
    }
}
