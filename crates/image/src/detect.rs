//! Which managers a folder uses, told from the names of its files alone, and what their files say. What prepares
//! dependencies for processes and what writes Dockerfiles both ask here, so that they come to the same answer.

pub mod node;
pub mod pyproject;
mod python_version;
pub mod requirements;

pub use python_version::PythonVersion;
pub(crate) use python_version::first_line;

use std::collections::BTreeSet;

/// What installs dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// Python with `uv.lock`.
    Uv,
    /// Python with `requirements.txt`, `poetry.lock` or the dependencies of `pyproject.toml`; installed by uv's pip where
    /// uv is there, else by pip.
    Pip,
    /// Node with `package-lock.json`, `npm-shrinkwrap.json`, or `package.json` alone.
    Npm,
    /// Node with `pnpm-lock.yaml`.
    Pnpm,
    /// Node with `yarn.lock`.
    Yarn,
}

impl Manager {
    /// The name people know it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uv => "uv",
            Self::Pip => "pip",
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::Yarn => "yarn",
        }
    }
}

/// A manager that a folder uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detected {
    /// The manager.
    pub manager: Manager,
    /// The files that say what to install, the deciding one first.
    pub lock_files: Vec<&'static str>,
}

/// The managers of a folder with files of these names: at most one for Python and one for Node. Without uv, `uv.lock`
/// counts only where there is no `requirements.txt` to use in its stead.
#[must_use]
pub fn by_listing(names: &BTreeSet<String>, has_uv: bool) -> Vec<Detected> {
    let has = |name: &str| names.contains(name);
    let mut found = Vec::new();
    let mut add = |manager, files: &[&'static str]| {
        found
            .push(Detected { manager, lock_files: files.iter().copied().filter(|name| has(name)).collect() });
    };
    if has("uv.lock") && has("pyproject.toml") && (has_uv || !has("requirements.txt")) {
        add(Manager::Uv, &["uv.lock", "pyproject.toml"]);
    } else if has("requirements.txt") {
        add(Manager::Pip, &["requirements.txt"]);
    } else if has("poetry.lock") {
        add(Manager::Pip, &["poetry.lock"]);
    } else if has("pyproject.toml") {
        add(Manager::Pip, &["pyproject.toml"]);
    }
    if !has("package.json") {
        return found;
    }
    if has("pnpm-lock.yaml") {
        add(Manager::Pnpm, &["pnpm-lock.yaml", "package.json", ".npmrc", "pnpm-workspace.yaml"]);
    } else if has("yarn.lock") {
        add(Manager::Yarn, &["yarn.lock", "package.json", ".npmrc", ".yarnrc", ".yarnrc.yml"]);
    } else if has("npm-shrinkwrap.json") {
        add(Manager::Npm, &["npm-shrinkwrap.json", "package.json", ".npmrc"]);
    } else {
        add(Manager::Npm, &["package-lock.json", "package.json", ".npmrc"]);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str], has_uv: bool, expected: &[(Manager, &[&str])]) {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let found = by_listing(&names, has_uv);
        let found: Vec<_> = found.iter().map(|one| (one.manager, &one.lock_files[..])).collect();
        assert_eq!(found, expected, "{names:?}");
    }

    #[test]
    fn managers_are_known_by_their_files() {
        use Manager::{Npm, Pip, Pnpm, Uv, Yarn};
        check(&[], true, &[]);
        check(&["app.py", "uv.lock"], true, &[]);
        check(&["uv.lock", "pyproject.toml"], true, &[(Uv, &["uv.lock", "pyproject.toml"])]);
        check(&["uv.lock", "pyproject.toml"], false, &[(Uv, &["uv.lock", "pyproject.toml"])]);
        let both = ["uv.lock", "pyproject.toml", "requirements.txt"];
        check(&both, true, &[(Uv, &["uv.lock", "pyproject.toml"])]);
        check(&both, false, &[(Pip, &["requirements.txt"])]);
        check(&["poetry.lock", "pyproject.toml"], true, &[(Pip, &["poetry.lock"])]);
        check(&["pyproject.toml"], true, &[(Pip, &["pyproject.toml"])]);
        check(&["package-lock.json"], true, &[]);
        check(&["package.json"], true, &[(Npm, &["package.json"])]);
        check(
            &["package.json", "package-lock.json", ".npmrc"],
            true,
            &[(Npm, &["package-lock.json", "package.json", ".npmrc"])],
        );
        check(&["package.json", "pnpm-lock.yaml"], true, &[(Pnpm, &["pnpm-lock.yaml", "package.json"])]);
        check(&["package.json", "yarn.lock"], true, &[(Yarn, &["yarn.lock", "package.json"])]);
        check(
            &["requirements.txt", "package.json"],
            true,
            &[(Pip, &["requirements.txt"]), (Npm, &["package.json"])],
        );
    }
}
