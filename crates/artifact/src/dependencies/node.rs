//! Node: a `node_modules` made from copies of the manifest and the lock file alone, and linked into the release.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use landfall_image::detect::node::{self, Package};
use landfall_model::Fault;

use super::key::{self, Key};
use super::once::{Place, once};
use super::{Detected, Manager, Prepared, Runner, Work, program};

/// Where Node looks for dependencies.
const MODULES: &str = "node_modules";

/// Prepares `node_modules` and links it; `None` when the manifest asks for nothing.
///
/// # Errors
/// As [`super::prepare`].
pub(super) fn prepare(work: &mut Work<'_>, detected: &Detected) -> Result<Option<Prepared>, Fault> {
    let mut files = Vec::new();
    for name in &detected.lock_files {
        files.push((*name, key::read(&work.folder.join(name))?));
    }
    let Some(project) = package(work.folder, &files)? else { return Ok(None) };
    let link = work.folder.join(MODULES);
    if fs::symlink_metadata(&link).is_ok_and(|facts| !facts.is_symlink()) {
        let note = format!("{}: node_modules came with the source", detected.manager.name());
        let path = vec![link.join(".bin")];
        return Ok(Some(Prepared { path, note, reused: true, ..Prepared::default() }));
    }
    let tool = Tool::find(work, detected.manager, &files)?;
    let mut key = Key::new();
    key.add("tool", tool.identity.as_bytes());
    for (name, text) in &files {
        key.add(name, text.as_bytes());
    }
    let key = key.finish();
    let place = Place::new(work.deps_root, &key);
    let mut env = work.base_env.clone();
    env.extend(tool.env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let usable = |folder: &Path| folder.join(MODULES).is_dir();
    let reused =
        once(&place, work.run, &usable, &mut |folder, run| make(folder, run, &files, &project, &tool, &env))?;
    let modules = place.folder().join(MODULES);
    link_to(&modules, &link)
        .map_err(|error| Fault::machine(format!("{} cannot be made: {error}", link.display())))?;
    let floating = if tool.has_lock { "" } else { ", without a lock file: versions may differ elsewhere" };
    let note =
        format!("{}: {}{floating}", detected.manager.name(), if reused { "reused" } else { "prepared" });
    Ok(Some(Prepared {
        path: vec![modules.join(".bin")],
        reused,
        note,
        keys: vec![key],
        ..Prepared::default()
    }))
}

/// Reads the manifest; `None` when it has no dependencies of any kind.
fn package(folder: &Path, files: &[(&str, String)]) -> Result<Option<Package>, Fault> {
    let path = folder.join("package.json");
    let text = |name: &str| files.iter().find(|(known, _)| *known == name).map(|(_, text)| text.as_str());
    let wrong = |why: String| Fault::application(format!("{} cannot be used: {why}", path.display()));
    let package = Package::parse(text("package.json").unwrap_or_default()).map_err(wrong)?;
    if let Some(why) = package.needs_source(text("pnpm-workspace.yaml")) {
        return Err(wrong(why).help("set `dependencies = \"none\"` for the service and install in `build`"));
    }
    Ok(package.has_dependencies().then_some(package))
}

/// How a manager is called.
struct Tool {
    words: Vec<String>,
    env: &'static [(&'static str, &'static str)],
    identity: String,
    has_lock: bool,
}

impl Tool {
    fn find(work: &Work<'_>, manager: Manager, files: &[(&str, String)]) -> Result<Self, Fault> {
        let missing = |name: &str| {
            Fault::machine(format!("the service has Node dependencies, and `{name}` is not in PATH")).help(
                format!(
                    "install {name} (Debian: `apt install nodejs npm`; `corepack enable` for pnpm and yarn)"
                ),
            )
        };
        let node = work.run.which("node").ok_or_else(|| missing("node"))?;
        let ask = ["-p", "process.execPath"];
        let node = program::behind(&node, &ask, work.folder, work.base_env).ok_or_else(|| missing("node"))?;
        let name = manager.name();
        let (program, mut words) = match (work.run.which(name), work.run.which("corepack")) {
            (Some(path), _) => (path.clone(), vec![path.display().to_string()]),
            (None, Some(corepack)) if manager != Manager::Npm => {
                (corepack.clone(), vec![corepack.display().to_string(), name.to_owned()])
            }
            _ => return Err(missing(name)),
        };
        let unreadable = |error: io::Error| Fault::machine(format!("{name} cannot be read: {error}"));
        let identity = format!(
            "{name} {} node {}",
            program::identity(&program).map_err(unreadable)?,
            program::identity(&node).map_err(unreadable)?
        );
        let has = |file: &str| files.iter().any(|(name, _)| *name == file);
        let has_lock = files.first().is_some_and(|(name, _)| *name != "package.json");
        let is_berry = files.iter().any(|(name, text)| *name == "yarn.lock" && node::is_berry(text));
        let arguments = node::install(manager, has_lock, is_berry, has("pnpm-workspace.yaml"));
        words.extend(arguments.iter().map(|word| (*word).to_owned()));
        Ok(Self { words, env: environment(manager, is_berry), identity, has_lock })
    }
}

fn environment(manager: Manager, is_berry: bool) -> &'static [(&'static str, &'static str)] {
    match manager {
        Manager::Yarn if is_berry => {
            &[("CI", "1"), ("COREPACK_ENABLE_DOWNLOAD_PROMPT", "0"), ("YARN_NODE_LINKER", "node-modules")]
        }
        Manager::Pnpm | Manager::Yarn => &[("CI", "1"), ("COREPACK_ENABLE_DOWNLOAD_PROMPT", "0")],
        _ => &[],
    }
}

fn make(
    folder: &Path,
    run: &mut dyn Runner,
    files: &[(&str, String)],
    project: &Package,
    tool: &Tool,
    env: &BTreeMap<String, String>,
) -> Result<(), Fault> {
    let modules = folder.join(MODULES);
    let write = || -> io::Result<()> {
        // A manager that has nothing to install makes none.
        fs::create_dir(&modules)?;
        for (name, text) in files {
            let text = if *name == "package.json" { &project.without_install_scripts() } else { text };
            fs::write(folder.join(name), text)?;
        }
        Ok(())
    };
    write().map_err(|error| Fault::machine(format!("{} cannot be written: {error}", folder.display())))?;
    run.run(&tool.words, folder, env)?;
    fs::create_dir_all(&modules)
        .map_err(|error| Fault::machine(format!("{} cannot be made: {error}", modules.display())))
}

/// Makes `link` lead to `modules`, also where it led elsewhere.
fn link_to(modules: &Path, link: &Path) -> io::Result<()> {
    if fs::read_link(link).is_ok_and(|target| target == modules) {
        return Ok(());
    }
    let new: PathBuf = link.with_file_name(format!(".{MODULES}.{}.new", std::process::id()));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(modules, &new)?;
    fs::rename(&new, link)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(text: &str) -> Result<Option<Package>, Fault> {
        package(Path::new("/source"), &[("package.json", text.to_owned())])
    }

    #[test]
    fn a_project_without_dependencies_asks_for_nothing() {
        assert!(project("{}").unwrap().is_none());
        assert!(project(r#"{"dependencies": {}}"#).unwrap().is_none());
        assert!(project(r#"{"devDependencies": {"vite": "^5"}}"#).unwrap().is_some());
        assert!(project("[]").is_err());
        assert!(project("{").is_err());
    }

    #[test]
    fn what_needs_the_source_is_refused_with_a_way_out() {
        let text = r#"{"workspaces": ["packages/*"]}"#;
        assert!(project(text).err().unwrap().help.unwrap().contains("build"));
    }
}
