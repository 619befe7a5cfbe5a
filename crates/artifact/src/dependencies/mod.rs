//! Dependencies prepared once for each lock file and shared by every release that has it: a virtual environment for
//! Python, a `node_modules` for Node, each in a folder named by everything it was made from.
//!
//! A release's folder gets nothing but a link. What is installed is what the manager's own plain install would (tools
//! for building and testing included), never the project itself: its source is where it runs.

mod collect;
mod interpreter;
mod key;
mod node;
mod once;
mod poetry;
mod program;
mod python;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_image::detect;
pub use landfall_image::detect::{Detected, Manager};
use landfall_model::Fault;

pub use collect::collect_dependencies;

/// How long a wait lasts before a [`Runner`] is asked again whether it is to go on.
const PAUSE: Duration = Duration::from_millis(100);

/// Dependencies that are there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prepared {
    /// Folders to put before all others in `PATH`.
    pub path: Vec<PathBuf>,
    /// Variables for builds, tests and instances: `VIRTUAL_ENV`, `PYTHONPATH`.
    pub env: BTreeMap<String, String>,
    /// Whether all of it had been made before.
    pub reused: bool,
    /// What was done, as people read it: `uv: reused`. Empty when there is nothing to prepare.
    pub note: String,
    /// What [`collect_dependencies`] must keep for as long as the release is kept.
    pub keys: Vec<String>,
}

/// Runs the programs that prepare dependencies.
pub trait Runner {
    /// Runs a program (the first word, then its arguments; no shell) in `folder` with exactly the environment `env`, its
    /// output shown as it comes, and waits for it.
    ///
    /// # Errors
    /// A program that cannot be started or fails, with its last lines; `Interrupted` when it was ended on request.
    fn run(&mut self, words: &[String], folder: &Path, env: &BTreeMap<String, String>) -> Result<(), Fault>;

    /// Finds a program in the `PATH` that `run` is given.
    fn which(&self, name: &str) -> Option<PathBuf>;

    /// Waits a little, for another process that prepares the same.
    ///
    /// # Errors
    /// `Interrupted` when a person asked to stop.
    fn pause(&mut self) -> Result<(), Fault> {
        std::thread::park_timeout(PAUSE);
        Ok(())
    }
}

/// Finds out which managers a source folder uses, by the files in it: none, one, or one for each language.
///
/// # Errors
/// A folder that cannot be read.
pub fn detect(folder: &Path) -> io::Result<Vec<Detected>> {
    Ok(detect::by_listing(&listing(folder)?, true))
}

/// Makes the dependencies of a release's folder be there, below `deps_root`, and links them into the folder where the
/// language wants that. Several processes may do so at once: one makes them, the others wait.
///
/// `base_env` is the environment of the programs that do it; variables that would lead them elsewhere (`PYTHONHOME`,
/// `VIRTUAL_ENV`, `PIP_TARGET` …) are taken out.
///
/// # Errors
/// A manager or an interpreter that is not installed, lock files that ask for what cannot be prepared (each with what to
/// do), a program that fails, a full disk. What was half made is made anew the next time.
pub fn prepare(
    folder: &Path,
    deps_root: &Path,
    run: &mut dyn Runner,
    base_env: &BTreeMap<String, String>,
) -> Result<Prepared, Fault> {
    let unreadable = |error| Fault::machine(format!("{} cannot be read: {error}", folder.display()));
    let listing = listing(folder).map_err(unreadable)?;
    let deps_root = std::path::absolute(deps_root)
        .map_err(|error| Fault::machine(format!("{} is no path: {error}", deps_root.display())))?;
    let has_uv = run.which("uv").is_some();
    let mut work = Work { folder, deps_root: &deps_root, run, base_env };
    let mut all = Prepared { reused: true, ..Prepared::default() };
    let mut notes = Vec::new();
    for detected in detect::by_listing(&listing, has_uv) {
        let one = match detected.manager {
            Manager::Uv | Manager::Pip => python::prepare(&mut work, &detected)?,
            Manager::Npm | Manager::Pnpm | Manager::Yarn => node::prepare(&mut work, &detected)?,
        };
        if let Some(one) = one {
            all.path.extend(one.path);
            all.env.extend(one.env);
            all.reused &= one.reused;
            all.keys.extend(one.keys);
            notes.push(one.note);
        }
    }
    all.note = notes.join("; ");
    Ok(all)
}

/// What every manager is given.
struct Work<'a> {
    folder: &'a Path,
    deps_root: &'a Path,
    run: &'a mut dyn Runner,
    base_env: &'a BTreeMap<String, String>,
}

/// The names of the files in a folder.
fn listing(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let (Ok(name), true) = (entry.file_name().into_string(), entry.path().is_file()) {
            names.insert(name);
        }
    }
    Ok(names)
}
