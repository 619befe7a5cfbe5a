//! Compose projects: what the engine has of one, and docker compose of the first generation, `docker-compose` 1.29, which
//! Debian 12 has, in a world where it is the only one.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::docker::Docker;
use crate::sandbox::Sandbox;

/// The program.
pub const FIRST: &str = "/usr/bin/docker-compose";

/// Where `docker compose` would be found whatever its configuration says.
const PLUGINS: [&str; 4] = ["/usr/local/lib", "/usr/local/libexec", "/usr/lib", "/usr/libexec"];

/// Leaves a sandbox no other compose than the first generation's. `false`, with a loud line, where that cannot be.
///
/// # Panics
/// When there is no room for a folder.
#[must_use]
pub fn only_the_first(sandbox: &mut Sandbox) -> bool {
    let asked = Command::new(FIRST).args(["version", "--short"]).stdin(Stdio::null()).output();
    let version =
        asked.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned()).unwrap_or_default();
    if !version.starts_with("1.") {
        eprintln!(
            "SKIPPED: there is no docker compose of the first generation (`docker-compose` of Debian 12)"
        );
        return false;
    }
    let plugin = |folder: &str| Path::new(folder).join("docker/cli-plugins/docker-compose");
    if let Some(folder) = PLUGINS.into_iter().find(|folder| plugin(folder).exists()) {
        eprintln!("SKIPPED: docker finds the second generation's compose in {folder}");
        return false;
    }
    let config = sandbox.root().join("docker");
    fs::create_dir(&config).expect("a folder");
    sandbox.set("DOCKER_CONFIG", &config.display().to_string());
    true
}

/// What a project has of a kind (`container`, `network`, `volume`), by name.
///
/// # Panics
/// When the engine does not answer.
#[must_use]
pub fn things(docker: &Docker, project: &str, what: &str) -> Vec<String> {
    let filter = format!("label=com.docker.compose.project={project}");
    let name = if what == "container" { "{{.Names}}" } else { "{{.Name}}" };
    let mut words = vec![what, "ls", "--format", name, "--filter", &filter];
    if what == "container" {
        words.push("--all");
    }
    let mut names: Vec<String> = docker.run(&words).lines().map(str::to_owned).collect();
    names.sort();
    names
}

/// Removes all that a project has, also what was there before any agent.
///
/// # Panics
/// When the engine does not answer, or will not.
pub fn remove(docker: &Docker, project: &str) {
    for (what, remove) in [
        ("container", &["container", "rm", "--force", "--volumes"][..]),
        ("network", &["network", "rm"][..]),
        ("volume", &["volume", "rm", "--force"][..]),
    ] {
        for name in things(docker, project, what) {
            docker.run(&[remove, &[&name]].concat());
        }
    }
}
