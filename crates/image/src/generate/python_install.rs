//! The steps that install what a Python project asks for, by the manager whose files it has.

use landfall_model::{Dependencies, Fault};
use toml::Table;

use super::Work;
use super::command::programs;
use super::python::{Install, VENV};
use super::text::{Run, quoted};
use super::work::unusable;
use crate::detect::{pyproject, requirements};

/// uv's version where the project asks for none.
const UV: &str = "0.13.8";

/// Poetry's version where the lock file does not say which wrote it.
const POETRY: &str = "2.5.1";

/// MkDocs and its most usual theme, for sites that do not say which they want.
const MKDOCS: &str = "mkdocs==1.6.1";
const MATERIAL: &str = "mkdocs-material==9.7.6";

/// Where a manager that is not part of the image lies while it is built.
const TOOL: &str = "/opt/tool";

impl Work<'_> {
    /// What is to be installed.
    ///
    /// # Errors
    /// Files that cannot be read or do not say it.
    pub(super) fn python_install(&mut self) -> Result<Install, Fault> {
        let first = self.python().and_then(|one| one.lock_files.first().copied());
        let named = |work: &mut Self, first: &'static str| {
            let found = requirements::read(first, &mut |path| work.read(path))?;
            let hashed = found.files.values().any(|text| text.contains("--hash="));
            let hashed = if hashed { ", every one checked by its hash" } else { "" };
            work.note(format!("pip installs what {first} names{hashed}"));
            if found.local {
                work.note(format!(
                    "{first} names something in the source itself, so every change installs anew"
                ));
            }
            Ok(Install::Requirements { first, found })
        };
        match first {
            Some("uv.lock") => {
                let lock = self.read("uv.lock")?;
                self.note("uv installs what uv.lock holds");
                Ok(Install::Uv { whole: pyproject::locks_local_packages(&lock) })
            }
            Some("requirements.txt") => named(self, "requirements.txt"),
            Some("poetry.lock") => {
                self.read("pyproject.toml")?;
                self.note("Poetry installs what poetry.lock holds");
                Ok(Install::Poetry)
            }
            Some(first) => {
                let found =
                    pyproject::dependencies(&self.read(first)?).map_err(|why| unusable(first, &why))?;
                self.note(format!(
                    "pip installs what {first} names; without a lock file versions may differ elsewhere"
                ));
                Ok(if found.is_empty() { Install::Nothing } else { Install::Named(found) })
            }
            None if self.wanted.dependencies == Dependencies::Auto && self.calls_mkdocs() => {
                if self.has("docs/requirements.txt") {
                    return named(self, "docs/requirements.txt");
                }
                Ok(Install::MkDocs(self.mkdocs()))
            }
            None => Ok(Install::Nothing),
        }
    }

    fn calls_mkdocs(&self) -> bool {
        self.wanted.build.is_some_and(|build| programs(build).iter().any(|program| program == "mkdocs"))
    }

    fn mkdocs(&mut self) -> Vec<String> {
        let settings = self.look("mkdocs.yml").or_else(|| self.look("mkdocs.yaml")).unwrap_or_default();
        let mut packages = vec![MKDOCS.to_owned()];
        if wants_material(&settings) {
            packages.push(MATERIAL.to_owned());
        }
        self.note(format!(
            "pip installs {}: a requirements.txt says which versions and plugins instead",
            packages.join(" and ")
        ));
        packages
    }

    /// Writes the steps; whether the whole source was copied for them.
    pub(super) fn python_install_lines(&mut self, install: &Install, with: &Run<'_>) -> bool {
        match install {
            Install::Uv { whole } => self.uv(*whole, with),
            Install::Poetry => self.poetry(with),
            Install::Requirements { first, found } => {
                self.venv();
                if found.local {
                    self.copy_all();
                } else {
                    self.copy_files(found.files.keys().map(String::as_str));
                }
                let command = format!("pip install{} -r {first}", self.no_cache());
                self.text.run(with, &[&command]);
                found.local
            }
            Install::Named(names) | Install::MkDocs(names) => {
                self.venv();
                let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
                let names = names.join(" \\\n        ");
                self.text.comment("hadolint ignore=DL3013");
                let command = format!("pip install{} \\\n        {names}", self.no_cache());
                self.text.run(with, &[&command]);
                false
            }
            Install::Nothing => {
                self.venv();
                false
            }
        }
    }

    fn venv(&mut self) {
        self.text.run(&Run::default(), &[&format!("python3 -m venv {VENV}")]);
    }

    fn uv(&mut self, whole: bool, with: &Run<'_>) -> bool {
        let version = self.look("pyproject.toml").and_then(|text| required_uv(&text));
        let package = quoted(&version.map_or(format!("uv=={UV}"), |range| format!("uv{range}")));
        self.tool(&package);
        self.text.env(&[
            ("UV_PROJECT_ENVIRONMENT", VENV.to_owned()),
            ("UV_PYTHON", "python3".to_owned()),
            ("UV_PYTHON_DOWNLOADS", "never".to_owned()),
            ("UV_LINK_MODE", "copy".to_owned()),
        ]);
        if whole {
            self.note("uv.lock names packages in the source itself, so every change installs anew");
            self.copy_all();
        } else {
            self.copy_files(["pyproject.toml", "uv.lock"]);
        }
        let development = if self.wanted.tested { "" } else { " --no-dev" };
        let command = format!(
            "{TOOL}/bin/uv sync --frozen --no-install-project{development} --compile-bytecode --no-progress"
        );
        self.text.run(with, &[&command]);
        whole
    }

    fn poetry(&mut self, with: &Run<'_>) -> bool {
        let lock = self.look("poetry.lock").unwrap_or_default();
        let version = poetry_of(&lock).unwrap_or_else(|| POETRY.to_owned());
        self.tool(&format!("poetry=={version}"));
        self.copy_files(["poetry.lock", "pyproject.toml"]);
        let groups = if self.wanted.tested { "" } else { " --only main" };
        // The environment is found by VIRTUAL_ENV.
        let command = format!("{TOOL}/bin/poetry install --no-interaction --no-root{groups}");
        self.text.run(with, &[&format!("python3 -m venv {VENV}"), &command]);
        false
    }

    /// Installs a manager beside the environment, where the last stage does not take it along.
    fn tool(&mut self, package: &str) {
        let install = format!("{TOOL}/bin/pip install{} {package}", self.no_cache());
        let with = Run { caches: &["/root/.cache/pip"], secrets: &[] };
        self.text.run(&with, &[&format!("python3 -m venv {TOOL}"), &install]);
    }

    /// Where nothing is kept between builds, pip keeps nothing in a layer either.
    fn no_cache(&self) -> &'static str {
        if self.wanted.buildkit { "" } else { " --no-cache-dir" }
    }
}

/// Whether a `mkdocs.yml` names the theme: `theme: material`, or `name: material` below `theme`.
fn wants_material(settings: &str) -> bool {
    let value = |line: &str| {
        let (key, value) = line.trim().split_once(':')?;
        matches!(key, "theme" | "name").then(|| value.trim().trim_matches(['"', '\'']).to_owned())
    };
    settings.lines().filter_map(value).any(|value| value == "material")
}

/// The versions of uv that a project takes.
fn required_uv(text: &str) -> Option<String> {
    let document: Table = text.parse().ok()?;
    let range = document.get("tool")?.get("uv")?.get("required-version")?.as_str()?;
    let plain = range.chars().all(|c| c.is_ascii_alphanumeric() || "<>=~!.,* ".contains(c));
    let range =
        if range.starts_with(|c: char| c.is_ascii_digit()) { format!("=={range}") } else { range.to_owned() };
    plain.then_some(range)
}

/// The version that wrote a lock file, which says so in its first line.
fn poetry_of(lock: &str) -> Option<String> {
    let behind = lock.lines().next()?.split_once("by Poetry ")?.1;
    let version = behind.split_whitespace().next()?;
    let plain = version.split('.').all(|part| part.parse::<u32>().is_ok()) && version.contains('.');
    plain.then(|| version.to_owned())
}
