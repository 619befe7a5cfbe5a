//! Node's managers of dependencies as steps of a Dockerfile: how each gets into an image, what it reads, what it is told.

use landfall_model::Fault;

use super::Work;
use super::text::{Run, YARN_CACHE};
use super::work::unusable;
use crate::detect::Manager;
use crate::detect::node::{Package, install, is_berry};

/// The versions where the source asks for none.
const PNPM: &str = "10";
const YARN: &str = "1.22.22";
const BERRY: &str = "4";

/// The dependencies of a source for Node.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) package: Package,
    manager: Manager,
    /// The files that an install reads.
    files: Vec<String>,
    is_berry: bool,
    has_lock: bool,
    /// Whether the install needs the whole source.
    pub(super) whole: bool,
}

impl Project {
    /// Reads it; `None` where there is nothing to install.
    ///
    /// # Errors
    /// Files that cannot be used.
    pub(super) fn read(work: &mut Work<'_>) -> Result<Option<Self>, Fault> {
        let Some(detected) = work.node().cloned() else { return Ok(None) };
        let text = work.read("package.json")?;
        let package = Package::parse(&text).map_err(|why| unusable("package.json", &why))?;
        if !package.has_dependencies() && package.get("workspaces").is_none() {
            return Ok(None);
        }
        let name = detected.manager.name();
        let lock = detected.lock_files[0];
        let has_lock = lock != "package.json";
        if has_lock {
            work.note(format!("{name} installs what {lock} holds"));
        } else {
            work.note(format!(
                "{name} installs what package.json names; without a lock file versions may differ elsewhere"
            ));
        }
        let mut files: Vec<String> = detected.lock_files.iter().map(|file| (*file).to_owned()).collect();
        files.sort_unstable();
        let is_berry = lock == "yarn.lock" && is_berry(&work.read(lock)?);
        let needs = package.needs_source(work.look("pnpm-workspace.yaml").as_deref());
        let patched = package.get("pnpm").and_then(|pnpm| pnpm.get("patchedDependencies")).is_some();
        let needs = needs.or_else(|| patched.then(|| "the lock file names patches in the source".to_owned()));
        if let Some(why) = &needs {
            work.note(format!("{why}, so every change of the source installs anew"));
        }
        Ok(Some(Self {
            package,
            manager: detected.manager,
            files,
            is_berry,
            has_lock,
            whole: needs.is_some(),
        }))
    }

    /// The folders that the manager keeps between builds.
    pub(super) fn caches(&self) -> &'static [&'static str] {
        match self.manager {
            Manager::Pnpm => &["/root/.local/share/pnpm/store"],
            Manager::Yarn if self.is_berry => &["/root/.yarn/berry/cache"],
            Manager::Yarn => &[YARN_CACHE],
            _ => &["/root/.npm"],
        }
    }

    /// The package that brings the manager, where the image has none.
    pub(super) fn tool(&self) -> Option<String> {
        let pinned = self.package.get("packageManager").and_then(|value| value.as_str());
        let pinned = pinned.and_then(|text| text.split('+').next()?.split_once('@'));
        let version = |name: &str| {
            let (_, version) = pinned.filter(|(known, _)| *known == name)?;
            let plain = version.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
            plain.then(|| version.to_owned())
        };
        let yarn = version("yarn");
        match self.manager {
            Manager::Pnpm => Some(format!("pnpm@{}", version("pnpm").unwrap_or_else(|| PNPM.to_owned()))),
            Manager::Yarn if self.is_berry => {
                Some(format!("@yarnpkg/cli-dist@{}", yarn.unwrap_or_else(|| BERRY.to_owned())))
            }
            Manager::Yarn => Some(format!("yarn@{}", yarn.unwrap_or_else(|| YARN.to_owned()))),
            _ => None,
        }
    }

    /// The variables that the manager needs.
    pub(super) fn env(&self) -> &'static [(&'static str, &'static str)] {
        match self.manager {
            Manager::Yarn if self.is_berry => {
                &[("CI", "1"), ("YARN_ENABLE_GLOBAL_CACHE", "true"), ("YARN_NODE_LINKER", "node-modules")]
            }
            Manager::Pnpm | Manager::Yarn => &[("CI", "1")],
            _ => &[],
        }
    }

    /// Whether dependencies for development can be left out.
    pub(super) fn can_leave_out(&self) -> bool {
        self.package.has_development() && !self.is_berry && !self.whole
    }

    /// Copies what the install reads and runs it in this stage.
    pub(super) fn install(&self, work: &mut Work<'_>, development: bool) {
        if self.whole {
            work.copy_all();
        } else {
            work.copy_files(self.files.iter().map(String::as_str));
            if self.is_berry && work.has_folder(".yarn") {
                work.text.copy(&super::text::Copy {
                    sources: vec![".yarn".to_owned()],
                    to: "./.yarn".to_owned(),
                    ..Default::default()
                });
            }
        }
        let mut commands = Vec::new();
        let scripts = self.package.install_scripts();
        if !scripts.is_empty() && !self.whole {
            let keys: Vec<String> = scripts.iter().map(|script| format!("scripts.{script}")).collect();
            work.note(format!(
                "{} of package.json: not run where the source is not there yet; `build` is the place for it",
                keys.join(" and ")
            ));
            commands.push(format!("npm pkg delete {}", keys.join(" ")));
        }
        commands.push(self.line(work, development));
        let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
        work.text.run(&Run { caches: self.caches(), secrets: work.wanted.secrets }, &commands);
    }

    /// Installs what is for development as well, over what is there.
    pub(super) fn install_development(&self, work: &mut Work<'_>) {
        let line = self.line(work, true);
        work.text.run(&Run { caches: self.caches(), secrets: work.wanted.secrets }, &[&line]);
    }

    fn line(&self, work: &Work<'_>, development: bool) -> String {
        let words = install(self.manager, self.has_lock, self.is_berry, work.has("pnpm-workspace.yaml"));
        let word = |word: &&str| match (*word, development) {
            ("--include=dev", false) => "--omit=dev".to_owned(),
            ("--prod=false", false) => "--prod".to_owned(),
            ("--production=false", false) => "--production=true".to_owned(),
            (word, _) => word.to_owned(),
        };
        let words: Vec<String> = words.iter().map(word).collect();
        format!("{} {}", self.manager.name(), words.join(" "))
    }
}
