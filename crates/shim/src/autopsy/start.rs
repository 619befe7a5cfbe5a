//! Rules: it could not even be started.

use landfall_model::Evidence;

use super::{Finding, between, newest, short};
use crate::program::{NOT_EXECUTABLE, NOT_FOUND};

/// Programs that come with Python packages of the same name.
const PYTHON_TOOLS: &[&str] = &[
    "celery",
    "daphne",
    "django-admin",
    "flask",
    "granian",
    "gunicorn",
    "hypercorn",
    "rq",
    "uvicorn",
    "waitress-serve",
];
/// Programs that come with Node packages of the same name.
const NODE_TOOLS: &[&str] =
    &["next", "nodemon", "nuxt", "pm2", "remix-serve", "serve", "ts-node", "tsx", "vite"];

/// The shim itself could not read what it needs (a machine that was booted has lost the values in its memory).
pub(super) fn secrets_missing(evidence: &Evidence) -> Option<Finding> {
    newest(evidence, |line| line.starts_with("landfall: the secrets cannot be read").then_some(()))?;
    Finding::new(
        "its secrets are not on this machine any more: they are kept in memory, which a reboot empties",
        "deploy again: that brings them back",
    )
}

/// A container's first program that the kernel does not know: the runtime of containers says so in its output.
pub(super) fn other_architecture(evidence: &Evidence) -> Option<Finding> {
    evidence.exit.as_ref()?;
    newest(evidence, |line| line.ends_with("exec format error").then_some(()))?;
    Finding::new(
        "its first program is for another architecture than this machine, or a script without `#!` in its first line",
        "build the image for this machine (without `platform`, and from base images of its architecture)",
    )
}

/// No such command.
pub(super) fn not_found(evidence: &Evidence) -> Option<Finding> {
    if evidence.exit.as_ref()?.code != Some(NOT_FOUND) {
        return None;
    }
    let name = newest(evidence, |line| {
        let line = line.strip_suffix(": not found").or_else(|| line.strip_suffix(": command not found"))?;
        Some(line.rsplit(": ").next().unwrap_or(line))
    });
    let Some(name) = name else {
        return Finding::new(
            "a command that it runs was not found (exit code 127)",
            "check the command in `run`, and that its program is among the dependencies",
        );
    };
    let name = short(name);
    let advice = if PYTHON_TOOLS.contains(&name) {
        format!("add `{name}` to requirements.txt (or pyproject.toml) and deploy again")
    } else if NODE_TOOLS.contains(&name) {
        format!("add `{name}` to the dependencies in package.json, or run `npx {name}`")
    } else {
        format!("correct `run`, or make `{name}` part of the dependencies or of what `build` makes")
    };
    Finding::new(format!("the command `{name}` was not found"), advice)
}

/// A command that may not be executed, or cannot.
pub(super) fn not_executable(evidence: &Evidence) -> Option<Finding> {
    if evidence.exit.as_ref()?.code != Some(NOT_EXECUTABLE) {
        return None;
    }
    if newest(evidence, |line| line.contains("Exec format error").then_some(())).is_some() {
        return Finding::new(
            "its program was built for another kind of machine, or is a script without `#!` in its first line",
            "build it for this machine, or name its interpreter in `run`",
        );
    }
    let name = newest(evidence, |line| {
        let line = line.strip_suffix(": Permission denied")?;
        Some(short(line.rsplit(": ").next().unwrap_or(line)))
    });
    let name = name.unwrap_or_else(|| between(&evidence.command, "", " ").unwrap_or(&evidence.command));
    Finding::new(
        format!("`{name}` may not be executed"),
        format!("make it executable (`chmod +x {name}`, and commit that), or name its interpreter in `run`"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::case::Case;

    #[test]
    fn commands_that_are_not_there() {
        Case::exited(127, "sh: 1: exec: gunicorn: not found")
            .cause("the command `gunicorn` was not found")
            .advice("requirements.txt");
        Case::exited(127, "bash: line 1: vite: command not found")
            .cause("the command `vite` was not found")
            .advice("package.json");
        Case::exited(127, "landfall: srver: not found")
            .cause("the command `srver` was not found")
            .advice("`run`");
        Case::exited(127, "").cause("a command that it runs was not found (exit code 127)");
    }

    #[test]
    fn programs_of_other_machines() {
        Case::exited(1, "exec /program: exec format error").cause(
            "its first program is for another architecture than this machine, or a script without `#!` in its first line",
        );
    }

    #[test]
    fn commands_that_cannot_be_executed() {
        Case::exited(126, "sh: 1: exec: ./start.sh: Permission denied")
            .cause("`./start.sh` may not be executed")
            .advice("chmod +x ./start.sh");
        Case::exited(126, "landfall: /x/releases/1.0.0-20261120131502/bin/app: Permission denied")
            .cause("`bin/app` may not be executed");
        Case::exited(126, "landfall: /app: Exec format error (os error 8)")
            .cause("its program was built for another kind of machine, or is a script without `#!` in its first line");
    }

    #[test]
    fn secrets_that_a_reboot_took() {
        Case::exited(1, "landfall: the secrets cannot be read: No such file or directory (os error 2)")
            .cause("its secrets are not on this machine any more: they are kept in memory, which a reboot empties")
            .advice("deploy again");
    }
}
