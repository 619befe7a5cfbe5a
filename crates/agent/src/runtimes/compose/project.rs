//! A release's project on this host: its folders, the tool, the environment that the tool is run with.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use landfall_docker::Engine;
use landfall_fx::host::Task;
use landfall_model::{Command, Compose, Fault, FaultKind, Release, Stream};
use landfall_shim::{Redactor, RunRequest, run_command};

use super::pinned::own_folder;
use super::project_of;
use super::tool::{self, Call, Tool};
use crate::host::LocalHost;
use crate::runtimes::process::environment::{self, Additions, Variables};
use crate::runtimes::process::{Gate, how};

/// How long the tool may take to say what it is, or what a file comes to.
const ASK: Duration = Duration::from_secs(60);

/// The most that a configuration may say, in bytes.
const MAX_CONFIG: usize = 4 << 20;

/// Lines of what went wrong that a failure tells.
const TOLD: usize = 3;

/// What the tool may inherit beside what any build may: where its engine is, and how it is told of builders and logins.
const INHERITED: [&str; 5] = ["BUILDKIT_", "BUILDX_", "COMPOSE_HTTP_TIMEOUT", "DOCKER_", "SSH_AUTH_SOCK"];

/// A project as its tool and its engine are asked about it.
pub(super) struct Project<'a> {
    pub(super) host: &'a LocalHost,
    pub(super) release: &'a Release,
    pub(super) compose: &'a Compose,
    pub(super) engine: Engine,
    /// The release's sources.
    pub(super) folder: PathBuf,
    /// What Landfall writes beside them.
    pub(super) own: PathBuf,
    pub(super) name: String,
    pub(super) tool: Tool,
    /// The environment of the tool alone, and with what the release says.
    base: Variables,
    env: Variables,
    secrets: Variables,
}

impl<'a> Project<'a> {
    /// Finds tool and engine.
    ///
    /// # Errors
    /// No tool, no engine, secrets that are not in memory any more.
    pub(super) fn open(host: &'a LocalHost, release: &'a Release) -> Result<Self, Fault> {
        let compose = release.spec.compose.as_ref().ok_or_else(|| {
            Fault::internal(format!("{} is no compose project and is to run as one", release.id))
        })?;
        let engine = host.docker()?;
        let mut base = environment::inherited_for_build(host.variables());
        let own = |name: &&String| INHERITED.iter().any(|prefix| name.starts_with(prefix));
        let engines: Vec<String> = host.variables().keys().filter(own).cloned().collect();
        // No volumes of ours: the compose file has its own.
        let none = |_: &str| PathBuf::new();
        let mut env = environment::of_release(release, base.clone(), &Additions::default(), &none)?;
        let mut own: Variables =
            engines.into_iter().map(|name| (name.clone(), host.variables()[&name].clone())).collect();
        own.insert("DOCKER_HOST".to_owned(), engine.about().address.clone());
        own.insert("COMPOSE_ANSI".to_owned(), "never".to_owned());
        base.extend(own.clone());
        env.extend(own);
        let tool = tool::find(|words| captured(words, Path::new("/"), &env).ok())?;
        let folder = host.dir().release(release);
        Ok(Self {
            host,
            release,
            compose,
            engine,
            own: own_folder(&folder),
            folder,
            name: project_of(release)?,
            tool,
            base,
            env,
            secrets: host.secret_values(release)?,
        })
    }

    /// A call for the project: the user's own files, then `over` of ours.
    pub(super) fn call<'b>(&'b self, over: &[&'b Path]) -> Call<'b> {
        let files = self.compose.files.iter().map(Path::new).chain(over.iter().copied()).collect();
        Call {
            tool: &self.tool,
            project: &self.name,
            folder: &self.folder,
            files,
            profiles: &self.compose.profiles,
        }
    }

    /// What a command of the tool prints. What it says may hold values of secrets.
    ///
    /// # Errors
    /// A command that fails, with what it says, values of secrets blacked out.
    pub(super) fn ask(&self, words: &[String]) -> Result<String, Fault> {
        captured(words, &self.folder, &self.variables()).map_err(|why| {
            let why = Redactor::new(&self.secrets).redact(&why).into_owned();
            let fault = Fault::application(format!("docker compose does not take {}: {why}", self.files()));
            if why.contains("variable") {
                fault.help("give it in the service's `env` or `secrets`")
            } else {
                fault
            }
        })
    }

    /// Runs a command of the tool to its end, its lines passed on and secrets blacked out.
    ///
    /// # Errors
    /// One that fails, with its last lines; an interruption.
    pub(super) fn perform(&self, words: Vec<String>, more: &Variables, task: &dyn Task) -> Result<(), Fault> {
        let mut env = self.env.clone();
        env.extend(more.clone());
        self.run(words, &env, self.secrets.clone(), task)
    }

    /// The same for what is none of the release: without its variables and secrets.
    pub(super) fn perform_outside(&self, words: Vec<String>, task: &dyn Task) -> Result<(), Fault> {
        self.run(words, &self.base, Variables::new(), task)
    }

    /// Always in the release's folder: by that it is found, should this agent be killed meanwhile.
    fn run(
        &self,
        words: Vec<String>,
        env: &Variables,
        secrets: Variables,
        task: &dyn Task,
    ) -> Result<(), Fault> {
        let what = words.iter().find(|word| WORDS.contains(&word.as_str())).cloned().unwrap_or_default();
        let heard = Heard { task, last: Mutex::default() };
        let gate = Gate::new(&heard, secrets, self.host.variables());
        let exit = gate.run(&Command::Words(words), &self.folder, env)?;
        if exit.code == Some(0) {
            return Ok(());
        }
        let mut last = heard.last.into_inner().unwrap_or_else(PoisonError::into_inner);
        if what == "build" {
            // The lines before the last one are the middle of what was just shown.
            last.drain(..last.len().saturating_sub(1));
        }
        let said = Vec::from(last).join("; ");
        Err(Fault::application(format!("`docker compose {what}` {}: {said}", how(&exit))))
    }

    /// The user's files, for people.
    pub(super) fn files(&self) -> String {
        self.compose.files.join(", ")
    }

    /// The environment that the tool is run with, secrets included.
    pub(super) fn variables(&self) -> Variables {
        let mut variables = self.env.clone();
        variables.extend(self.secrets.clone());
        variables
    }

    /// The values of its secrets.
    pub(super) fn secrets(&self) -> &Variables {
        &self.secrets
    }
}

/// The commands that `perform` is called with.
const WORDS: [&str; 5] = ["build", "pull", "up", "run", "down"];

/// What a command prints that ends well within `ASK`, or what it says when it does not.
fn captured(words: &[String], folder: &Path, env: &Variables) -> Result<String, String> {
    let request = RunRequest {
        command: Command::Words(words.to_vec()),
        folder: folder.to_owned(),
        env: env.clone(),
        secrets: Variables::new(),
        timeout: ASK,
    };
    let (mut out, mut err) = (String::new(), VecDeque::new());
    let mut hear = |stream, line: &str| match stream {
        Stream::Out if out.len() < MAX_CONFIG => {
            out.push_str(line);
            out.push('\n');
        }
        Stream::Out => {}
        Stream::Err => keep_last(&mut err, line),
    };
    match run_command(&request, &mut hear, &|| false) {
        Ok(exit) if exit.code == Some(0) => Ok(out),
        Ok(exit) => {
            let said = Vec::from(err).join("; ");
            Err(if said.is_empty() { how(&exit) } else { said })
        }
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Err("it does not answer".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn keep_last(last: &mut VecDeque<String>, line: &str) {
    if line.trim().is_empty() {
        return;
    }
    if last.len() == TOLD {
        last.pop_front();
    }
    last.push_back(line.trim().to_owned());
}

/// Passes lines on, and keeps the last ones.
struct Heard<'a> {
    task: &'a dyn Task,
    last: Mutex<VecDeque<String>>,
}

impl Task for Heard<'_> {
    fn line(&self, stream: Stream, line: &str) {
        keep_last(&mut self.last.lock().unwrap_or_else(PoisonError::into_inner), line);
        self.task.line(stream, line);
    }

    fn cancelled(&self) -> bool {
        self.task.cancelled()
    }
}

/// Whether a failure is that a person asked to stop.
pub(super) fn is_interruption(fault: &Fault) -> bool {
    fault.kind == FaultKind::Interrupted
}
