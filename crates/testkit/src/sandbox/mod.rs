//! Runs the real binary in a world of its own: state, home and project in one temporary folder, and nothing of it left
//! behind, whatever a test does.

mod disk;
mod folders;
mod ports;
mod processes;
mod ran;
mod running;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use landfall_model::api::Info;

pub use disk::Disk;
pub use folders::copy_folder;
pub use ports::free_address;
pub use processes::{Process, kill_all, processes_of, signal};
pub use ran::Ran;
pub use running::Running;

use crate::app::Tiny;
use crate::docker::Docker;
use crate::needle::{Found, find_in, find_secret};

/// How long a command may take unless a test says otherwise; the first deploy of a Python application with pip needs
/// most of it on a slow network.
pub const LIMIT: Duration = Duration::from_secs(180);

/// Variables of the machine that package managers need to reach their registries, by the start of their names.
const PASSED_ON: [&str; 8] =
    ["PIP_", "UV_", "npm_config_", "NODE_EXTRA_CA", "SSL_CERT_", "REQUESTS_CA", "http", "no_proxy"];

/// What every command printed, for the search for secrets.
type Printed = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A world of its own for one binary. Dropping it ends every process in it and, unless a test fails already, fails the
/// test when one would not go.
#[derive(Debug)]
pub struct Sandbox {
    root: tempfile::TempDir,
    binary: PathBuf,
    state: PathBuf,
    variables: BTreeMap<String, String>,
    printed: Printed,
    docker: Option<Docker>,
}

impl Sandbox {
    /// A sandbox for the binary at this path.
    ///
    /// # Panics
    /// When there is no such file or no room for a temporary folder.
    #[must_use]
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        let binary = binary.into();
        assert!(binary.is_file(), "there is no binary at {}", binary.display());
        // Short, for unix sockets live below it.
        let root = tempfile::Builder::new().prefix("lf").tempdir_in("/tmp").expect("a temporary folder");
        for folder in ["home", "project"] {
            fs::create_dir(root.path().join(folder)).expect("a folder in a new folder");
        }
        let path = |name: &str| root.path().join(name).display().to_string();
        let mut variables: BTreeMap<String, String> = std::env::vars()
            .filter(|(name, _)| PASSED_ON.iter().any(|start| name.starts_with(start)))
            .collect();
        // The system's own Python before wrappers that developers put in front of it.
        let search = std::env::var("PATH").unwrap_or_default();
        variables.insert("PATH".to_owned(), format!("/usr/bin:/bin:{search}"));
        variables.insert("HOME".to_owned(), path("home"));
        variables.insert("LANDFALL_STATE".to_owned(), path("state"));
        variables.insert("LANG".to_owned(), "C.UTF-8".to_owned());
        Self {
            state: root.path().join("state"),
            root,
            binary,
            variables,
            printed: Printed::default(),
            docker: None,
        }
    }

    /// A sandbox whose agent has a Docker engine with these images. `None`, with a loud line, where there is none.
    ///
    /// # Panics
    /// As [`Sandbox::new`].
    #[must_use]
    pub fn with_docker(binary: impl Into<PathBuf>, images: &[&str]) -> Option<Self> {
        let mut sandbox = Self::new(binary);
        let docker = Docker::of(&sandbox.state, images)?;
        for (name, value) in docker.variables() {
            sandbox.set(name, &value);
        }
        sandbox.docker = Some(docker);
        Some(sandbox)
    }

    /// What the agent has in its engine.
    ///
    /// # Panics
    /// When the sandbox has none.
    #[track_caller]
    #[must_use]
    pub fn docker(&self) -> &Docker {
        self.docker.as_ref().expect("a sandbox that was made with an engine")
    }

    /// The folder that holds everything.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The folder that commands run in.
    #[must_use]
    pub fn project(&self) -> PathBuf {
        self.root.path().join("project")
    }

    /// The state folder.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The binary.
    #[must_use]
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Uses another binary from here on.
    pub fn set_binary(&mut self, binary: &Path) {
        binary.clone_into(&mut self.binary);
    }

    /// Keeps the state elsewhere, on a disk of its own for instance.
    pub fn set_state(&mut self, state: &Path) {
        state.clone_into(&mut self.state);
        self.set("LANDFALL_STATE", &state.display().to_string());
    }

    /// Sets an environment variable of every later command.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Takes an environment variable away from every later command.
    pub fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    /// Writes a file of the project, and the folders above it.
    ///
    /// # Panics
    /// When that cannot be.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.project().join(path);
        fs::create_dir_all(path.parent().expect("below the project")).expect("a folder in the project");
        fs::write(path, text).expect("a file in the project");
    }

    /// Puts `to` in place of `from` in a file of the project.
    ///
    /// # Panics
    /// When `from` is not in it.
    #[track_caller]
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.project().join(path)).expect("a text file in the project");
        assert!(text.contains(from), "`{from}` is not in {path}");
        self.write(path, &text.replace(from, to));
    }

    /// Writes the files of a tiny application.
    pub fn write_tiny(&self, tiny: &Tiny) {
        self.write("landfall.toml", &tiny.manifest());
        self.write("tiny.py", &tiny.program());
    }

    /// Copies one of the repository's examples into the project.
    ///
    /// # Panics
    /// When there is no such example.
    pub fn copy_example(&self, name: &str) {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        let skip = ["node_modules", "__pycache__", ".pytest_cache", ".venv", ".env"];
        copy_folder(&examples.join(name), &self.project(), &skip).expect("an example of this name");
    }

    /// Runs the binary in the project and waits for its end.
    ///
    /// # Panics
    /// When it does not end within [`LIMIT`], or leaves its output open to a process that goes on.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.spawn(arguments).wait(LIMIT)
    }

    /// Runs the binary in the project, its output thrown away, and gives the time from its start to its end.
    ///
    /// # Panics
    /// When it does not end well.
    #[track_caller]
    #[must_use]
    pub fn time(&self, arguments: &[&str]) -> Duration {
        let mut command = self.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let begun = Instant::now();
        let status = command.status().expect("the binary can be started");
        let took = begun.elapsed();
        assert!(status.success(), "landfall {} gave {status}", arguments.join(" "));
        took
    }

    /// Starts the binary in the project.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    #[must_use]
    pub fn spawn(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running::start(command, arguments, Arc::clone(&self.printed))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(self.project()).env_clear().envs(&self.variables);
        command.stdin(Stdio::null());
        command
    }

    /// The processes that live now: agent, proxy, supervisors, applications and what they started.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        let mut found = processes_of(self.root.path());
        if !self.state.starts_with(self.root.path()) {
            found.extend(processes_of(&self.state));
        }
        found
    }

    /// The process of a role, by its first arguments: `&["agent", "run"]`, `&["proxy", "run"]`.
    #[must_use]
    pub fn process(&self, role: &[&str]) -> Option<Process> {
        self.processes().into_iter().find(|process| process.is_role(role))
    }

    /// Kills the agent with SIGKILL; whether there was one.
    pub fn kill_agent(&self) -> bool {
        let agent = self.process(&["agent", "run"]);
        if let Some(agent) = &agent {
            signal(agent.pid, rustix::process::Signal::KILL);
        }
        agent.is_some()
    }

    /// What the agent says of itself.
    ///
    /// # Panics
    /// When none runs, or `agent status --json` fails.
    #[track_caller]
    #[must_use]
    pub fn info(&self) -> Info {
        let ran = self.run(&["agent", "status", "--json"]).ok();
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("no Info ({error}): {ran}"))
    }

    /// Every place that holds a value which is a secret: the state folder, all that commands printed, and the
    /// arguments of processes.
    ///
    /// # Panics
    /// When a file of the state cannot be read.
    #[must_use]
    pub fn find_secret(&self, value: &str) -> Vec<Found> {
        let mut found =
            find_secret(&self.state, value.as_bytes()).expect("every file of the state can be read");
        let printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        let texts = printed.iter().map(|(name, bytes)| (name.clone(), bytes.as_slice()));
        found.extend(find_in(texts, value.as_bytes()));
        for process in self.processes() {
            if process.arguments.iter().any(|argument| argument.contains(value)) {
                found.push(Found::Text(format!("arguments of process {}", process.pid), 0));
            }
        }
        found
    }

    /// Kills everything in the sandbox. Gives what would not go.
    pub fn end(&self) -> Vec<Process> {
        let mut left = kill_all(self.root.path());
        if !self.state.starts_with(self.root.path()) {
            left.extend(kill_all(&self.state));
        }
        left
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let left = self.end();
        // Now that nobody starts anything any more.
        drop(self.docker.take());
        if std::thread::panicking() {
            let log = fs::read_to_string(self.state.join("agent.log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("the agent's last words, newest first:\n{}", tail.join("\n"));
        }
        // The folder in memory that belongs to this state, and to nothing else.
        if self.state.is_dir()
            && let Ok(state) = landfall_fx::StateDir::open(&self.state)
        {
            let _ = fs::remove_dir_all(state.secrets_folder());
        }
        assert!(left.is_empty() || std::thread::panicking(), "these would not go: {left:?}");
    }
}
