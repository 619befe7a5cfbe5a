//! Dependencies with the real managers: made once, whole or not there, and never inside the release.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use landfall_artifact::dependencies::{Prepared, Runner, collect_dependencies, prepare};
use landfall_model::{Fault, FaultKind, Timestamp};

/// Runs what it is told, for real.
struct Real<'a> {
    env: BTreeMap<String, String>,
    runs: &'a AtomicUsize,
}

impl Runner for Real<'_> {
    fn run(&mut self, words: &[String], folder: &Path, env: &BTreeMap<String, String>) -> Result<(), Fault> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(folder).env_clear().envs(env).stdin(Stdio::null());
        let output = command.output().unwrap();
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        Err(Fault::application(format!("{words:?}: {}", String::from_utf8_lossy(&said))))
    }

    fn which(&self, name: &str) -> Option<PathBuf> {
        std::env::split_paths(self.env.get("PATH")?)
            .map(|folder| folder.join(name))
            .find(|path| path.is_file())
    }
}

/// A place for prepared dependencies, and releases that want them.
struct World {
    state: tempfile::TempDir,
    env: BTreeMap<String, String>,
    runs: AtomicUsize,
    releases: Cell<usize>,
}

impl World {
    fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        Self { state, env: std::env::vars().collect(), runs: AtomicUsize::new(0), releases: Cell::new(0) }
    }

    /// One without any package index, and with a small package of our own in a folder of wheels.
    fn offline() -> Self {
        let mut world = Self::new();
        let wheels = world.state.path().join("wheels");
        fs::create_dir(&wheels).unwrap();
        wheel(&wheels, "1.0");
        wheel(&wheels, "2.0");
        world.env.insert("PIP_NO_INDEX".to_owned(), "1".to_owned());
        world.env.insert("PIP_FIND_LINKS".to_owned(), wheels.display().to_string());
        world.env.insert("UV_NO_INDEX".to_owned(), "1".to_owned());
        world.env.insert("UV_FIND_LINKS".to_owned(), wheels.display().to_string());
        world
    }

    fn deps(&self) -> PathBuf {
        self.state.path().join("deps")
    }

    /// A new release's folder with these files.
    fn release(&self, files: &[(&str, &str)]) -> PathBuf {
        self.releases.set(self.releases.get() + 1);
        let folder = self.state.path().join(format!("release{}", self.releases.get()));
        fs::create_dir(&folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        folder
    }

    fn prepare(&self, folder: &Path) -> Result<Prepared, Fault> {
        let mut run = Real { env: self.env.clone(), runs: &self.runs };
        prepare(folder, &self.deps(), &mut run, &self.env)
    }

    fn runs(&self) -> usize {
        self.runs.swap(0, Ordering::SeqCst)
    }

    /// The keys' folders that are there.
    fn keys(&self) -> Vec<String> {
        let names = fs::read_dir(self.deps()).into_iter().flatten().map(|entry| entry.unwrap().file_name());
        names.filter_map(|name| name.into_string().ok()).filter(|name| name != "locks").collect()
    }
}

/// Says so where the test harness does not swallow it.
fn skipped(why: &str) {
    std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes()).unwrap();
}

/// Writes the wheel of a package `tinypackage`, which is one module.
fn wheel(folder: &Path, version: &str) {
    let code = r#"
import sys, zipfile
folder, version = sys.argv[1:]
info = f"tinypackage-{version}.dist-info"
with zipfile.ZipFile(f"{folder}/tinypackage-{version}-py3-none-any.whl", "w") as wheel:
    wheel.writestr("tinypackage.py", f"version = '{version}'\n")
    wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tinypackage\nVersion: {version}\n")
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(f"{info}/RECORD", "")
"#;
    let mut command = Command::new("python3");
    assert!(command.args(["-c", code]).arg(folder).arg(version).status().unwrap().success());
}

/// What a program of the release would see.
fn python(prepared: &Prepared, folder: &Path, code: &str) -> String {
    let mut command = Command::new(prepared.path[0].join("python"));
    let output = command.args(["-c", code]).current_dir(folder).envs(&prepared.env).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

const VERSION: &str = "import tinypackage; print(tinypackage.version)";

#[test]
fn requirements_are_installed_once_for_all_releases_that_have_them() {
    let world = World::offline();
    let first = world.release(&[("requirements.txt", "tinypackage==1.0\n")]);
    let prepared = world.prepare(&first).unwrap();
    assert!(!prepared.reused && world.runs() >= 2);
    assert_eq!(python(&prepared, &first, VERSION), "1.0");
    assert_eq!(python(&prepared, &first, "import sys; print(sys.prefix)"), prepared.env["VIRTUAL_ENV"]);
    assert_eq!(fs::read_dir(&first).unwrap().count(), 1, "the release's folder is as it was");

    let second = world.release(&[("requirements.txt", "tinypackage==1.0\n"), ("app.py", "")]);
    let again = world.prepare(&second).unwrap();
    assert_eq!((again.reused, world.runs()), (true, 0));
    assert_eq!((&again.path, &again.keys), (&prepared.path, &prepared.keys));
    assert!(again.note.ends_with("reused"), "{}", again.note);

    let third = world.release(&[("requirements.txt", "-r more.txt\n"), ("more.txt", "tinypackage==2.0\n")]);
    let other = world.prepare(&third).unwrap();
    assert_ne!(other.keys, prepared.keys);
    assert_eq!(python(&other, &third, VERSION), "2.0");
}

#[test]
fn a_project_is_not_installed_but_found() {
    let world = World::offline();
    let text = "[project]\nname='shop'\nversion='1'\ndependencies=['tinypackage<2']\n";
    let folder = world.release(&[("pyproject.toml", text)]);
    fs::create_dir_all(folder.join("src/shop")).unwrap();
    fs::write(folder.join("src/shop/__init__.py"), "word = 'here'\n").unwrap();
    let prepared = world.prepare(&folder).unwrap();
    assert_eq!(python(&prepared, &folder, VERSION), "1.0");
    assert_eq!(python(&prepared, Path::new("/"), "import shop; print(shop.word)"), "here");
    let lock = "[[package]]\nname='tinypackage'\nversion='2.0'\noptional=false\n";
    let locked = world.release(&[("pyproject.toml", text), ("poetry.lock", lock)]);
    assert_eq!(python(&world.prepare(&locked).unwrap(), &locked, VERSION), "2.0");
}

#[test]
fn nothing_to_prepare_is_nothing() {
    let world = World::offline();
    for files in [
        &[("app.py", "")][..],
        &[("pyproject.toml", "[tool.ruff]\nline-length=100\n")],
        &[("package.json", "{}")],
    ] {
        let prepared = world.prepare(&world.release(files)).unwrap();
        assert!(
            prepared.path.is_empty() && prepared.keys.is_empty() && prepared.note.is_empty(),
            "{prepared:?}"
        );
    }
    assert_eq!(world.runs(), 0);
}

#[test]
fn what_failed_or_was_cut_short_is_made_anew() {
    let world = World::offline();
    let folder = world.release(&[("requirements.txt", "not-there-at-all==9\n")]);
    let fault = world.prepare(&folder).unwrap_err();
    assert!(fault.message.contains("not-there-at-all"), "{fault}");
    assert!(world.keys().is_empty(), "nothing half made is left");

    let folder = world.release(&[("requirements.txt", "tinypackage\n")]);
    let prepared = world.prepare(&folder).unwrap();
    let place = world.deps().join(&prepared.keys[0]);
    world.runs();
    // Without its mark it is not whole, whatever lies there.
    fs::remove_file(place.join("complete")).unwrap();
    fs::write(place.join("venv/bin/python.half"), "").unwrap();
    assert!(!world.prepare(&folder).unwrap().reused);
    assert!(!place.join("venv/bin/python.half").exists());
    // An interpreter that is gone makes it useless.
    fs::remove_file(place.join("venv/bin/python")).unwrap();
    let prepared = world.prepare(&folder).unwrap();
    assert!(!prepared.reused);
    assert_eq!(python(&prepared, &folder, VERSION), "2.0");
}

#[test]
fn of_several_that_race_one_makes_it() {
    let world = World::offline();
    let folders: Vec<_> = (0..4).map(|_| world.release(&[("requirements.txt", "tinypackage\n")])).collect();
    let (env, deps, runs) = (&world.env, &world.deps(), &world.runs);
    let prepared: Vec<Prepared> = std::thread::scope(|scope| {
        let race = |folder: PathBuf| {
            move || prepare(&folder, deps, &mut Real { env: env.clone(), runs }, env).unwrap()
        };
        let racers: Vec<_> = folders.iter().map(|folder| scope.spawn(race(folder.clone()))).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    assert_eq!(prepared.iter().filter(|one| !one.reused).count(), 1);
    assert_eq!(python(&prepared[0], &folders[0], VERSION), "2.0");
}

#[test]
fn an_interpreter_that_is_not_there_is_named() {
    let mut world = World::offline();
    world.env.insert("HOME".to_owned(), "/nowhere".to_owned());
    world.env.remove("PYENV_ROOT");
    let without_uv = std::env::split_paths(&world.env["PATH"]).filter(|folder| !folder.join("uv").exists());
    world.env.insert("PATH".to_owned(), std::env::join_paths(without_uv).unwrap().into_string().unwrap());
    let folder = world.release(&[("requirements.txt", "tinypackage\n"), (".python-version", "3.99\n")]);
    let fault = world.prepare(&folder).unwrap_err();
    assert!(
        fault.message.contains("3.99") && fault.help.unwrap().contains("python3.99"),
        "{}",
        fault.message
    );
    world.env.insert("PATH".to_owned(), "/nowhere".to_owned());
    let folder = world.release(&[("requirements.txt", "tinypackage\n")]);
    let fault = world.prepare(&folder).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Failed);
    assert!(fault.message.contains("python3") && fault.help.unwrap().contains("apt install"));
    let folder = world.release(&[("uv.lock", ""), ("pyproject.toml", "")]);
    assert!(world.prepare(&folder).unwrap_err().help.unwrap().contains("install uv"));
    let folder = world.release(&[("package.json", r#"{"dependencies":{"a":"1"}}"#)]);
    assert!(world.prepare(&folder).unwrap_err().help.unwrap().contains("install node"));
    assert!(world.keys().is_empty());
}

#[test]
fn what_no_release_needs_is_removed() {
    let state = tempfile::tempdir().unwrap();
    let (keep, old, half) = ("a".repeat(32), "b".repeat(32), "c".repeat(32));
    for (key, file) in
        [(&keep, "complete"), (&old, "complete"), (&half, "other"), (&"notes".to_owned(), "complete")]
    {
        fs::create_dir(state.path().join(key)).unwrap();
        fs::write(state.path().join(key).join(file), "").unwrap();
    }
    let hour = Duration::from_secs(3600);
    let made = fs::metadata(state.path().join(&half)).unwrap().modified().unwrap();
    let collect = |now| {
        collect_dependencies(state.path(), std::slice::from_ref(&keep), Timestamp::from(now), hour).unwrap()
    };
    let there = |key: &str| state.path().join(key).exists();
    assert_eq!(collect(made - hour), 0);
    assert_eq!(collect(made + hour / 2), 0);
    // One that is being made at this moment stays.
    let lock = fs::File::create(state.path().join("locks").join(&half)).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert_eq!(collect(made + 2 * hour), 1);
    assert_eq!([there(&keep), there(&old), there(&half), there("notes")], [true, false, true, true]);
    drop(lock);
    assert_eq!(collect(made + 2 * hour), 1);
    assert!(!there(&half));
    let none = state.path().join("none");
    assert_eq!(collect_dependencies(&none, &[], Timestamp::from_millis(0), hour).unwrap(), 0);
}

/// The one test that reaches a package index.
#[test]
fn a_package_comes_from_the_index() {
    let world = World::new();
    let folder = world.release(&[("requirements.txt", "six==1.17.0\n")]);
    let prepared = world.prepare(&folder).unwrap();
    assert_eq!(python(&prepared, &folder, "import six; print(six.__version__)"), "1.17.0");
}

#[test]
fn node_modules_are_made_once_and_linked() {
    let world = World::new();
    let has =
        |name: &str| std::env::split_paths(&world.env["PATH"]).any(|folder| folder.join(name).is_file());
    if !has("npm") || !has("node") {
        skipped("no npm and node in PATH; node_modules were not tested");
        return;
    }
    // The one dependency is for a system that does not exist, so that nothing is fetched.
    let project = r#"{"name":"a","version":"1.0.0","scripts":{"postinstall":"exit 1"},
        "optionalDependencies":{"tiny":"1.0.0"}}"#;
    let lock = r#"{"name":"a","version":"1.0.0","lockfileVersion":3,"requires":true,"packages":{
        "":{"name":"a","version":"1.0.0","optionalDependencies":{"tiny":"1.0.0"}},
        "node_modules/tiny":{"version":"1.0.0","resolved":"http://127.0.0.1:9/tiny.tgz","optional":true,"os":["none"]}}}"#;
    let files = [("package.json", project), ("package-lock.json", lock)];
    let first = world.release(&files);
    let prepared = world.prepare(&first).unwrap();
    assert_eq!((prepared.reused, world.runs()), (false, 1));
    let modules = fs::read_link(first.join("node_modules")).unwrap();
    assert_eq!(modules, world.deps().join(&prepared.keys[0]).join("node_modules"));
    assert_eq!(prepared.path, [modules.join(".bin")]);
    assert_eq!(fs::read_dir(&first).unwrap().count(), 3);

    // Reused by the next, also where a link leads elsewhere; and a program finds what lies behind it.
    let second = world.release(&files);
    std::os::unix::fs::symlink("/nowhere", second.join("node_modules")).unwrap();
    assert_eq!((world.prepare(&second).unwrap().reused, world.runs()), (true, 0));
    fs::create_dir(modules.join("tiny")).unwrap();
    fs::write(modules.join("tiny/index.js"), "module.exports = 'tiny'").unwrap();
    let mut node = Command::new("node");
    let output = node.args(["-p", "require('tiny')"]).current_dir(&second).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "tiny\n");

    // A lock file that does not fit is npm's to refuse.
    let wrong =
        world.release(&[("package.json", r#"{"dependencies":{"b":"1"}}"#), ("package-lock.json", lock)]);
    assert!(world.prepare(&wrong).unwrap_err().message.contains("package-lock.json"));
}

#[test]
fn uv_installs_what_its_lock_says() {
    let mut world = World::offline();
    if !std::env::split_paths(&world.env["PATH"]).any(|folder| folder.join("uv").is_file()) {
        skipped("no uv in PATH; uv.lock was not tested");
        return;
    }
    let wheels = world.env["UV_FIND_LINKS"].clone();
    let project =
        "[project]\nname='shop'\nversion='1'\nrequires-python='>=3.9'\ndependencies=['tinypackage<2']\n";
    let folder = world.release(&[("pyproject.toml", project)]);
    let mut lock = Command::new("uv");
    assert!(
        lock.args(["lock", "--quiet", "--find-links", &wheels, "--no-index"])
            .current_dir(&folder)
            .status()
            .unwrap()
            .success()
    );
    world.env.remove("UV_NO_INDEX");
    let prepared = world.prepare(&folder).unwrap();
    assert!(prepared.note.starts_with("uv"), "{}", prepared.note);
    assert_eq!(python(&prepared, &folder, VERSION), "1.0");
    assert!(world.prepare(&folder).unwrap().reused);
    assert!(!folder.join(".venv").exists());
}
