//! Builds, installers and tests: run to their end with their output passed on as it comes, up to a limit.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_artifact::dependencies::Runner;
use landfall_fx::host::Task;
use landfall_model::{Command, Exit, Fault, FaultKind, Millis, Stream};
use landfall_shim::{RunRequest, run_command};

use super::environment::{self, Variables};

/// The longest a build, an installer or a test may take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Lines of one command that are passed on as they come; of those after them only the last `TAIL` are shown.
const PASSED_ON: usize = 5_000;

/// The last lines that are kept for the end, when there are more than are passed on.
const TAIL: usize = 50;

/// Runs the commands of one step for one release.
pub(crate) struct Gate<'a> {
    task: &'a dyn Task,
    secrets: Variables,
    /// Where programs are looked for, as in the environment of what is run.
    path: String,
}

/// Passes lines on until there are too many.
pub(crate) struct Lines<'a> {
    task: &'a dyn Task,
    passed: usize,
    left_out: usize,
    tail: VecDeque<(Stream, String)>,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(task: &'a dyn Task) -> Self {
        Self { task, passed: 0, left_out: 0, tail: VecDeque::new() }
    }

    pub(crate) fn line(&mut self, stream: Stream, line: &str) {
        if self.passed < PASSED_ON {
            self.passed += 1;
            self.task.line(stream, line);
            return;
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
            self.left_out += 1;
        }
        self.tail.push_back((stream, line.to_owned()));
    }

    /// Shows the last ones of those that were too many.
    pub(crate) fn finish(self) {
        if self.left_out > 0 {
            self.task.line(Stream::Err, &format!("… {} lines left out …", self.left_out));
        }
        for (stream, line) in self.tail {
            self.task.line(stream, &line);
        }
    }
}

impl<'a> Gate<'a> {
    /// Runs commands for `task`, with these secrets in their environment and blacked out of what they print.
    pub(crate) fn new(task: &'a dyn Task, secrets: Variables, own: &Variables) -> Self {
        let path = environment::inherited_for_build(own).remove("PATH").unwrap_or_default();
        Self { task, secrets, path }
    }

    /// Runs one command in `folder` to its end.
    ///
    /// # Errors
    /// A command that cannot be started; an interruption, of the kind `Interrupted`.
    pub(crate) fn run(&self, command: &Command, folder: &Path, env: &Variables) -> Result<Exit, Fault> {
        let request = RunRequest {
            command: command.clone(),
            folder: folder.to_owned(),
            env: env.clone(),
            secrets: self.secrets.clone(),
            timeout: TIMEOUT,
        };
        let mut lines = Lines::new(self.task);
        let exit =
            run_command(&request, &mut |stream, line| lines.line(stream, line), &|| self.task.cancelled());
        lines.finish();
        if self.task.cancelled() {
            return Err(
                Fault::application(format!("`{command}` was interrupted")).kind(FaultKind::Interrupted)
            );
        }
        exit.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => {
                Fault::application(format!("`{command}` was ended after {}", Millis::from(TIMEOUT)))
            }
            _ => {
                Fault::application(format!("`{command}` cannot be started in {}: {error}", folder.display()))
            }
        })
    }

    /// Runs one command and takes anything but success for a failure called `what`.
    pub(crate) fn run_well(
        &self,
        what: &str,
        command: &Command,
        folder: &Path,
        env: &Variables,
    ) -> Result<(), Fault> {
        let exit = self.run(command, folder, env)?;
        if exit.code == Some(0) {
            return Ok(());
        }
        Err(Fault::application(format!("{what} `{command}` {}", how(&exit))).help("its last lines are above"))
    }
}

impl Runner for Gate<'_> {
    fn run(&mut self, words: &[String], folder: &Path, env: &Variables) -> Result<(), Fault> {
        self.run_well("preparing dependencies with", &Command::Words(words.to_vec()), folder, env)
    }

    fn which(&self, name: &str) -> Option<PathBuf> {
        let found = find(name, Some(&self.path));
        found.is_file().then_some(found)
    }
}

/// The program that a name means with this `PATH`; the name itself when it is a path or is not found.
pub(crate) fn find(name: &str, path: Option<&str>) -> PathBuf {
    let named = PathBuf::from(name);
    if name.contains('/') {
        return named;
    }
    let folders = std::env::split_paths(path.unwrap_or_default()).collect::<Vec<_>>();
    folders.into_iter().map(|folder| folder.join(name)).find(|candidate| candidate.is_file()).unwrap_or(named)
}

/// How a command ended, as people read it.
pub(crate) fn how(exit: &Exit) -> String {
    match (&exit.code, &exit.signal) {
        _ if exit.oom => "was ended for its memory".to_owned(),
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by SIG{signal}"),
        (None, None) => "ended".to_owned(),
    }
}
