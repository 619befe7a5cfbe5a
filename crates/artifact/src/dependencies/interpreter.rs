//! The Python that a source asks for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use landfall_image::detect::PythonVersion;
use landfall_model::Fault;

use super::{Work, program};

/// A Python to make environments with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interpreter {
    /// Its path; or the version alone, for uv to find or fetch.
    pub(super) name: String,
    /// Tells it from every other.
    pub(super) identity: String,
}

/// Finds the interpreter: the one that `.python-version` names (`3.12` or `3.12.4`), else `python3`.
///
/// # Errors
/// None that is right; with uv there, a version that is missing is left to uv.
pub(super) fn find(work: &Work<'_>, has_uv: bool) -> Result<Interpreter, Fault> {
    let wanted = fs::read_to_string(work.folder.join(".python-version"))
        .ok()
        .and_then(|text| PythonVersion::pinned(&text));
    let found = match wanted {
        Some(wanted) => work
            .run
            .which(&format!("python{}.{}", wanted.major, wanted.minor))
            .and_then(|path| behind(&path, work))
            .or_else(|| of_pyenv(wanted, work.base_env)),
        None => work.run.which("python3").and_then(|path| behind(&path, work)),
    };
    if let Some(path) = found {
        let identity = program::identity(&path)
            .map_err(|error| Fault::machine(format!("{} cannot be read: {error}", path.display())))?;
        return Ok(Interpreter { name: path.display().to_string(), identity });
    }
    match wanted {
        Some(wanted) if has_uv => {
            Ok(Interpreter { name: wanted.to_string(), identity: format!("by uv {wanted}") })
        }
        Some(wanted) => {
            let message = format!("`.python-version` asks for Python {wanted}, which is not installed");
            Err(Fault::machine(message).help(format!(
                "install it so that `python{}.{}` is in PATH, install uv, which fetches it, or change .python-version",
                wanted.major, wanted.minor
            )))
        }
        None => Err(Fault::machine("the service has Python dependencies, and `python3` is not in PATH")
            .help("install Python 3 (Debian: `apt install python3 python3-venv`)")),
    }
}

/// The interpreter behind a script of a version manager. That of pyenv is read from its files, which takes no time.
fn behind(path: &Path, work: &Work<'_>) -> Option<PathBuf> {
    let ask = ["-c", "import sys; print(sys.executable)"];
    behind_pyenv(path, work).or_else(|| program::behind(path, &ask, work.folder, work.base_env))
}

/// Reads pyenv's files as its shim would: `PYENV_VERSION`, the folder's `.python-version`, then pyenv's own `version`.
fn behind_pyenv(path: &Path, work: &Work<'_>) -> Option<PathBuf> {
    let shims = path.parent().filter(|folder| folder.ends_with("shims"))?;
    let root = shims.parent()?;
    let version = work
        .base_env
        .get("PYENV_VERSION")
        .cloned()
        .or_else(|| fs::read_to_string(work.folder.join(".python-version")).ok())
        .or_else(|| fs::read_to_string(root.join("version")).ok())?;
    let version = version.split([':', '\n']).next()?.trim();
    let found = root.join("versions").join(version).join("bin").join(path.file_name()?);
    (!version.is_empty() && program::is_binary(&found)).then_some(found)
}

/// The newest that fits among those that pyenv has installed.
fn of_pyenv(wanted: PythonVersion, env: &BTreeMap<String, String>) -> Option<PathBuf> {
    let home = env.get("HOME").map(|home| Path::new(home).join(".pyenv"));
    let root = env.get("PYENV_ROOT").map(PathBuf::from).or(home)?;
    let installed = fs::read_dir(root.join("versions")).ok()?;
    let fits = |name: &str| {
        let has = PythonVersion::pinned(name)?;
        let same = (has.major, has.minor) == (wanted.major, wanted.minor);
        (same && (wanted.patch.is_none() || wanted.patch == has.patch)).then_some(has.patch)
    };
    let mut fitting: Vec<_> = installed
        .filter_map(Result::ok)
        .filter_map(|entry| Some((fits(entry.file_name().to_str()?)?, entry.path().join("bin/python3"))))
        .filter(|(_, path)| program::is_binary(path))
        .collect();
    fitting.sort();
    fitting.pop().map(|(_, path)| path)
}
