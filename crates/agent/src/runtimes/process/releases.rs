//! Files of releases: laid out, built, tested in a throwaway copy, pruned.

use std::fs;
use std::path::{Path, PathBuf};

use landfall_artifact::{bundle, dependencies};
use landfall_fx::host::{Note, Task};
use landfall_model::{Dependencies, Digest, Fault, InstanceId, Kind, Release};

use super::copy::copy_folder;
use super::environment::{self, Additions, Variables};
use super::prepared::{Prepared, record_path, snapshot};
use super::{Gate, leftovers, ports};
use crate::host::LocalHost;
use crate::runtimes::releases::{disk, remove_folder};

/// The environment of builds and tests beside additions and volumes.
type Volumes<'a> = &'a dyn Fn(&str) -> PathBuf;

/// Where the store lays a folder out before it has its own name (`Store::materialize`); there after a kill in between.
fn unfinished_path(folder: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(folder.file_name().unwrap_or_default());
    name.push(".new");
    folder.with_file_name(name)
}

impl LocalHost {
    /// The folder of a release's volume.
    pub(crate) fn volume_path(&self, release: &Release, name: &str) -> PathBuf {
        self.dir().volume(&release.app, &release.environment, release.service(), name)
    }

    /// The folder that a `site` serves.
    pub(crate) fn site_root(&self, release: &Release) -> PathBuf {
        let folder = self.dir().release(release);
        // What was built in a container was copied out of its image, which holds only that.
        if release.spec.container.is_some() {
            return folder;
        }
        match release.spec.output.as_deref() {
            None | Some("." | "") => folder,
            Some(output) => folder.join(output),
        }
    }

    /// What `prepare` wrote down of a release.
    pub(crate) fn prepared(&self, release: &Release) -> Result<Option<Prepared>, Fault> {
        Prepared::load(self.files(), &self.dir().release(release))
    }

    /// Refuses to touch the files of what runs. Steps come in an order that keeps this from happening.
    fn refuse_running(&self, release: &Release) -> Result<(), Fault> {
        let runs = |id: &InstanceId| landfall_shim::is_alive(&self.dir().instance(id));
        if release.instances().iter().any(runs) {
            return Err(Fault::machine(format!("{} still runs: its files stay", release.id)));
        }
        Ok(())
    }

    fn command_env(
        &self,
        release: &Release,
        additions: &Additions,
        volumes: Volumes<'_>,
    ) -> Result<Variables, Fault> {
        let base = environment::inherited_for_build(self.variables());
        environment::of_release(release, base, additions, volumes)
    }

    /// Prepares the dependencies of what lies in `folder`: what they add, their keys, and a note.
    fn dependencies(
        &self,
        release: &Release,
        folder: &Path,
        gate: &mut Gate<'_>,
    ) -> Result<(Additions, Vec<String>, String), Fault> {
        if release.spec.dependencies == Dependencies::None {
            return Ok(Default::default());
        }
        let env = environment::inherited_for_build(self.variables());
        let ready = dependencies::prepare(folder, &self.dir().dependencies(), gate, &env)?;
        Ok((Additions { path: ready.path, env: ready.env }, ready.keys, ready.note))
    }

    fn build(&self, release: &Release, task: &dyn Task) -> Result<(Prepared, String), Fault> {
        let folder = self.dir().release(release);
        let mut gate = Gate::new(task, self.secret_values(release)?, self.variables());
        let (additions, keys, note) = self.dependencies(release, &folder, &mut gate)?;
        if let Some(command) = &release.spec.build {
            let env = self.command_env(release, &additions, &|name| self.volume_path(release, name))?;
            gate.run_well("the build", command, &folder, &env)?;
        }
        // A build may change files of its own source; what is there afterwards is what is to be read back.
        let files = snapshot(&folder, &self.index(release)?).map_err(|e| disk(&folder, "read", &e))?;
        let output = if release.spec.kind == Kind::Site { Some(self.output_digest(release)?) } else { None };
        Ok((Prepared::new(additions, keys, files, output), note))
    }

    /// The digest of what a `site` serves.
    pub(crate) fn output_digest(&self, release: &Release) -> Result<Digest, Fault> {
        let root = self.site_root(release);
        if !root.is_dir() {
            return Err(Fault::application(format!(
                "the build of `{}` made no folder `{}`",
                release.service(),
                release.spec.output.as_deref().unwrap_or(".")
            ))
            .help("`output` names the folder that is served, relative to the service's `path`"));
        }
        bundle(&root, &[]).map(|made| made.digest).map_err(|e| Fault::application(e.to_string()))
    }

    fn run_tests(&self, release: &Release, task: &dyn Task, scratch: &Path) -> Result<(), Fault> {
        let (folder, copy) = (self.dir().release(release), scratch.join("copy"));
        let prepared = self.prepared(release)?.ok_or_else(|| {
            Fault::machine(format!("the files of {} are gone from {}", release.id, folder.display()))
        })?;
        // A copy of what was built, with the links to its dependencies: what is tested is what will run.
        copy_folder(&folder, &copy).map_err(|e| disk(&copy, "written", &e))?;
        let volumes = |name: &str| scratch.join("volumes").join(name);
        for name in release.spec.volumes.keys() {
            fs::create_dir_all(volumes(name)).map_err(|e| disk(scratch, "written", &e))?;
        }
        let gate = Gate::new(task, self.secret_values(release)?, self.variables());
        let mut env = self.command_env(release, &prepared.additions, &volumes)?;
        if let Some(address) = ports::choose(1, &self.addresses()?)?.first() {
            environment::with_address(&mut env, address);
        }
        for command in &release.spec.test {
            gate.run_well("the test gate", command, &copy, &env)?;
        }
        Ok(())
    }
}

impl LocalHost {
    pub(super) fn prepare_files(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        self.refuse_running(release)?;
        let folder = self.dir().release(release);
        leftovers::end(&folder, self.clock());
        remove_folder(&folder)?;
        self.store().materialize(&release.artifact, &folder).map_err(Fault::from)?;
        self.make_volumes(release)?;
        let (prepared, note) = self.build(release, task)?;
        prepared.save(self.files(), &folder)?;
        Ok((!note.is_empty()).then_some(note))
    }

    pub(super) fn test_files(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        let scratch = self
            .dir()
            .scratch()
            .join(InstanceId::of(&release.app, &release.environment, &release.id, 0).as_str());
        leftovers::end(&scratch, self.clock());
        remove_folder(&scratch)?;
        fs::create_dir_all(&scratch).map_err(|e| disk(&scratch, "made", &e))?;
        let tested = self.run_tests(release, task, &scratch);
        let removed = remove_folder(&scratch);
        tested.and(removed).map(|()| None)
    }

    pub(super) fn discard_files(&self, release: &Release) -> Result<(), Fault> {
        self.refuse_running(release)?;
        let folder = self.dir().release(release);
        leftovers::end(&folder, self.clock());
        // The record goes first: without it the rest counts as not prepared, whenever this is cut short.
        let record = record_path(&folder);
        self.files().remove(&record).map_err(|e| disk(&record, "removed", &e))?;
        remove_folder(&folder)?;
        remove_folder(&unfinished_path(&folder))
    }
}
