//! The Docker engine of the tests, and one sandbox's corner of it: what its agent made there is found by the agent's own
//! mark, and taken away at the end.
//!
//! `./test` starts the engine and says where it is: `LANDFALL_TEST_DOCKER=unix:///…`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use landfall_model::Digest;

/// The variable that names the engine.
pub const ENGINE: &str = "LANDFALL_TEST_DOCKER";

/// The label that everything has which an agent made in an engine; its value is the agent's mark.
const STATE: &str = "io.landfall.state";

/// The engine that tests may use. `None`, with a loud line, where there is none.
#[must_use]
pub fn engine() -> Option<String> {
    let engine = std::env::var(ENGINE).ok().filter(|engine| !engine.is_empty());
    if engine.is_none() {
        eprintln!("SKIPPED: no Docker engine for tests: {ENGINE} names none");
    }
    engine
}

/// What one agent has in the engine. Dropping it removes that: end the agent before.
#[derive(Debug)]
pub struct Docker {
    host: String,
    config: Option<PathBuf>,
    filter: String,
}

impl Docker {
    /// The corner of the agent with this state folder. `None`, with a loud line, without an engine or without one of the
    /// images that the test starts from.
    #[must_use]
    pub fn of(state: &Path, images: &[&str]) -> Option<Self> {
        Self::at(engine()?, state, images)
    }

    /// The same in another engine.
    #[must_use]
    pub fn at(host: String, state: &Path, images: &[&str]) -> Option<Self> {
        let mark = Digest::of(state.as_os_str().as_encoded_bytes()).short();
        let own = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker"));
        let config = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from).or_else(own);
        let docker = Self { host, config, filter: format!("label={STATE}={mark}") };
        for image in images {
            if !docker.has_image(image) {
                eprintln!("SKIPPED: the engine of the tests has no image {image}");
                return None;
            }
        }
        Some(docker)
    }

    /// The variables that lead Docker's clients to the engine: `DOCKER_HOST` and, for plugins, `DOCKER_CONFIG`.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let config = self.config.as_ref().map(|config| ("DOCKER_CONFIG", config.display().to_string()));
        std::iter::once(("DOCKER_HOST", self.host.clone())).chain(config).collect()
    }

    /// Whether the engine has an image.
    #[must_use]
    pub fn has_image(&self, reference: &str) -> bool {
        self.command(&["image", "inspect", reference]).status.success()
    }

    /// Whether the command line has a plugin: `compose`, `buildx`.
    #[must_use]
    pub fn has_plugin(&self, name: &str) -> bool {
        self.command(&[name, "version"]).status.success()
    }

    /// Runs Docker's command line and gives what it printed, without the end of its last line.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        assert!(
            output.status.success(),
            "docker {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// The lines of a listing (`ps`, `image ls`, `network ls`) of what is the agent's.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    #[must_use]
    pub fn ours(&self, list: &[&str]) -> Vec<String> {
        let shown = self.run(&[list, &["--filter", &self.filter]].concat());
        shown.lines().map(str::to_owned).collect()
    }

    /// The names of the agent's containers, of those of a service when one is named; newest first.
    ///
    /// # Panics
    /// When the engine does not answer.
    #[track_caller]
    #[must_use]
    pub fn containers(&self, service: Option<&str>) -> Vec<String> {
        let service = service.map(|name| format!("label=io.landfall.service={name}"));
        let mut arguments = vec!["ps", "--all", "--format", "{{.Names}}", "--filter", &self.filter];
        if let Some(service) = &service {
            arguments.extend(["--filter", service]);
        }
        self.run(&arguments).lines().map(str::to_owned).collect()
    }

    /// The ids of the agent's images.
    ///
    /// # Panics
    /// When the engine does not answer.
    #[track_caller]
    #[must_use]
    pub fn images(&self) -> Vec<String> {
        let ids = self.run(&["image", "ls", "--quiet", "--no-trunc", "--filter", &self.filter]);
        let mut ids: Vec<String> = ids.lines().map(str::to_owned).collect();
        ids.sort();
        ids.dedup();
        ids
    }

    /// Removes all that the agent made.
    fn clear(&self) {
        let kinds: [(&[&str], &[&str]); 4] = [
            (&["ps", "--all"], &["rm", "--force", "--volumes"]),
            (&["network", "ls"], &["network", "rm"]),
            (&["volume", "ls"], &["volume", "rm", "--force"]),
            (&["image", "ls"], &["image", "rm", "--force"]),
        ];
        for (list, remove) in kinds {
            let listed = self.command(&[list, &["--quiet", "--filter", &self.filter]].concat());
            let found = String::from_utf8_lossy(&listed.stdout).into_owned();
            let mut ids: Vec<&str> = found.lines().collect();
            ids.sort_unstable();
            ids.dedup();
            if !ids.is_empty() {
                // What cannot be removed is seen by whoever ends the engine.
                let _ = self.command(&[remove, &ids].concat());
            }
        }
    }

    fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("docker");
        command.args(arguments).envs(self.variables()).stdin(Stdio::null());
        command.output().expect("docker's command line is there where an engine is")
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        self.clear();
    }
}
