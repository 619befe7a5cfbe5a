//! Python: a virtual environment at its final path (environments cannot be moved), filled by uv or pip.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use landfall_image::detect::{pyproject, requirements};
use landfall_model::Fault;

use super::interpreter::{self, Interpreter};
use super::key::{self, Key};
use super::once::{Place, once};
use super::{Detected, Manager, Prepared, Runner, Work, poetry, program};

/// The environment's folder below the key's.
const VENV: &str = "venv";

/// The requirements that are made from another file.
const REQUIREMENTS: &str = "requirements.txt";

/// Variables that would lead Python, pip or uv elsewhere.
const MISLEADING: [&str; 10] = [
    "PYTHONHOME",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_USER",
    "PIP_ROOT",
    "PIP_REQUIRE_VIRTUALENV",
    "UV_PROJECT_ENVIRONMENT",
    "UV_SYSTEM_PYTHON",
];

/// What is to be installed, and from where.
enum Source {
    /// `uv.lock`, by uv itself.
    UvLock,
    /// A file of requirements in the release's folder.
    File,
    /// Requirements made from another file, with pip's options for them.
    Made { text: String, no_deps: bool },
}

/// What to make and what its name is taken of.
struct Recipe {
    source: Source,
    key: Key,
    /// Whether the project itself would have been installed by its own manager.
    is_project: bool,
}

/// Prepares the environment; `None` when the files ask for nothing.
///
/// # Errors
/// As [`super::prepare`].
pub(super) fn prepare(work: &mut Work<'_>, detected: &Detected) -> Result<Option<Prepared>, Fault> {
    let Some(mut recipe) = read(work.folder, detected)? else { return Ok(None) };
    let uv = work.run.which("uv");
    if detected.manager == Manager::Uv && uv.is_none() {
        return Err(Fault::machine("the service has a uv.lock, and `uv` is not in PATH").help(
            "install uv, or put what it locks into requirements.txt (`uv export --format requirements-txt`)",
        ));
    }
    let python = interpreter::find(work, uv.is_some())?;
    recipe.key.add("python", python.identity.as_bytes());
    if let Some(uv) = &uv {
        let identity = program::identity(uv)
            .map_err(|error| Fault::machine(format!("{} cannot be read: {error}", uv.display())))?;
        recipe.key.add("uv", identity.as_bytes());
    }
    let key = recipe.key.finish();
    let place = Place::new(work.deps_root, &key);
    let mut maker =
        Maker { folder: work.folder, env: clean(work.base_env), python: &python, source: &recipe.source };
    let usable = |folder: &Path| folder.join(VENV).join("bin/python").exists();
    let reused = once(&place, work.run, &usable, &mut |folder, run| match &uv {
        Some(uv) => maker.with_uv(&uv.display().to_string(), folder, run),
        None => maker.with_pip(folder, run),
    })?;
    let venv = place.folder().join(VENV);
    let mut env = BTreeMap::from([("VIRTUAL_ENV".to_owned(), venv.display().to_string())]);
    if recipe.is_project {
        env.insert("PYTHONPATH".to_owned(), source_path(work.folder, work.base_env));
    }
    let tool = if uv.is_some() { "uv" } else { "pip" };
    let note = format!("{tool}: {}", if reused { "reused" } else { "prepared" });
    Ok(Some(Prepared { path: vec![venv.join("bin")], env, reused, note, keys: vec![key] }))
}

/// Reads the files that say what to install; `None` when they name nothing.
fn read(folder: &Path, detected: &Detected) -> Result<Option<Recipe>, Fault> {
    let mut key = Key::new();
    let Some(first) = detected.lock_files.first() else { return Ok(None) };
    let text = key::read(&folder.join(first))?;
    key.add(first, text.as_bytes());
    let (source, is_project) = match *first {
        "uv.lock" => {
            let project = key::read(&folder.join("pyproject.toml"))?;
            key.add("pyproject.toml", project.as_bytes());
            if pyproject::locks_local_packages(&text) {
                key.add("folder", folder.as_os_str().as_encoded_bytes());
            }
            (Source::UvLock, true)
        }
        "requirements.txt" => {
            let found = requirements::read(first, &mut |name| key::read(&folder.join(name)))?;
            for (name, text) in &found.files {
                key.add(name, text.as_bytes());
            }
            if found.local {
                key.add("folder", folder.as_os_str().as_encoded_bytes());
            }
            (Source::File, false)
        }
        "poetry.lock" => {
            let text = poetry::requirements(&text).map_err(|why| unusable(&folder.join(first), &why))?;
            (Source::Made { text, no_deps: true }, true)
        }
        _ => {
            let found = pyproject::dependencies(&text).map_err(|why| unusable(&folder.join(first), &why))?;
            if found.is_empty() {
                return Ok(None);
            }
            (Source::Made { text: found.join("\n") + "\n", no_deps: false }, true)
        }
    };
    Ok(Some(Recipe { source, key, is_project }))
}

fn unusable(path: &Path, why: &str) -> Fault {
    Fault::application(format!("{} cannot be used: {why}", path.display())).help(
        "write what is to be installed into requirements.txt (`pip freeze`, `pip-compile`, `poetry export`), or set \
         `dependencies = \"none\"` and install it in `build`",
    )
}

/// Where the project's own modules are found, since it is not installed: `src` where there is one, and the folder.
fn source_path(folder: &Path, base_env: &BTreeMap<String, String>) -> String {
    let src = folder.join("src");
    let mut parts = Vec::new();
    if src.is_dir() {
        parts.push(src.display().to_string());
    }
    parts.push(folder.display().to_string());
    parts.extend(base_env.get("PYTHONPATH").filter(|path| !path.is_empty()).cloned());
    parts.join(":")
}

fn clean(base: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    base.iter()
        .filter(|(name, _)| !MISLEADING.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Makes an environment in a key's folder.
struct Maker<'a> {
    folder: &'a Path,
    env: BTreeMap<String, String>,
    python: &'a Interpreter,
    source: &'a Source,
}

impl Maker<'_> {
    fn with_uv(&mut self, uv: &str, place: &Path, run: &mut dyn Runner) -> Result<(), Fault> {
        let venv = place.join(VENV).display().to_string();
        if matches!(self.source, Source::UvLock) {
            self.env.insert("UV_PROJECT_ENVIRONMENT".to_owned(), venv);
            self.env.insert("UV_PYTHON".to_owned(), self.python.name.clone());
            let words =
                [uv, "sync", "--frozen", "--no-install-project", "--compile-bytecode", "--no-progress"];
            return run.run(&words.map(str::to_owned), self.folder, &self.env);
        }
        let make = [uv, "venv", "--no-project", "--no-progress", "--python", &self.python.name, &venv];
        run.run(&make.map(str::to_owned), self.folder, &self.env)?;
        let python = format!("{venv}/bin/python");
        let mut install =
            words(&[uv, "pip", "install", "--compile-bytecode", "--no-progress", "--python", &python]);
        install.extend(self.what(place)?);
        run.run(&install, self.folder, &self.env)
    }

    fn with_pip(&mut self, place: &Path, run: &mut dyn Runner) -> Result<(), Fault> {
        let venv = place.join(VENV).display().to_string();
        let python = self.python.name.clone();
        let in_venv = format!("{venv}/bin/python");
        // Debian splits `ensurepip`, which `venv` fills an environment with, off from Python.
        let mut install = if self.can_import(&python, "ensurepip") {
            run.run(&words(&[&python, "-m", "venv", &venv]), self.folder, &self.env)?;
            words(&[&in_venv, "-m", "pip"])
        } else if self.can_import(&python, "pip") {
            run.run(&words(&[&python, "-m", "venv", "--without-pip", &venv]), self.folder, &self.env)?;
            words(&[&python, "-m", "pip", "--python", &in_venv])
        } else {
            return Err(Fault::machine(format!("{python} has neither `ensurepip` nor `pip`"))
                .help("install them (Debian: `apt install python3-venv`), or install uv"));
        };
        install.extend(words(&["install", "--disable-pip-version-check", "--no-input"]));
        install.extend(self.what(place)?);
        run.run(&install, self.folder, &self.env)
    }

    fn can_import(&self, python: &str, module: &str) -> bool {
        let code = format!("import {module}; print('yes')");
        program::ask(Path::new(python), &["-I", "-c", &code], self.folder, &self.env).is_some()
    }

    /// The options that name what is to be installed; writes the requirements that are made.
    fn what(&self, place: &Path) -> Result<Vec<String>, Fault> {
        let Source::Made { text, no_deps } = self.source else {
            return Ok(words(&["-r", REQUIREMENTS]));
        };
        let path = place.join(REQUIREMENTS);
        fs::write(&path, text)
            .map_err(|error| Fault::machine(format!("{} cannot be written: {error}", path.display())))?;
        let mut options = words(&["-r", &path.display().to_string()]);
        if *no_deps {
            options.push("--no-deps".to_owned());
        }
        Ok(options)
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(files: &[(&str, &str)], name: &str, first: &'static str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        let detected = Detected { manager: Manager::Pip, lock_files: vec![first] };
        read(&folder, &detected).unwrap().unwrap().key.finish()
    }

    #[test]
    fn a_key_is_taken_of_all_that_decides_what_is_installed() {
        let first = "requirements.txt";
        let of = |text, more| key(&[(first, text), ("more.txt", more)], "v1", first);
        let base = of("-r more.txt\n", "six==1\n");
        assert_eq!(of("-r more.txt\n", "six==1\n"), base);
        assert_ne!(of("-r more.txt\n", "six==2\n"), base);
        assert_ne!(of("-c more.txt\n", "six==1\n"), base);
        // The folder does not count, unless something is installed from it.
        assert_eq!(key(&[(first, "six\n")], "v1", first), key(&[(first, "six\n")], "v2", first));
        assert_ne!(key(&[(first, "-e .\n")], "v1", first), key(&[(first, "-e .\n")], "v2", first));
    }
}
