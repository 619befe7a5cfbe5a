//! Files of releases: laid out, built, tested in a throwaway copy, pruned.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use landfall_artifact::{Index, bundle, dependencies};
use landfall_fx::host::{Instances as _, Note, Releases, Task};
use landfall_model::{Dependencies, Digest, Fault, InstanceId, Kind, Release};
use landfall_shim::read_secrets;

use super::copy::copy_folder;
use super::environment::{self, Additions, Variables};
use super::prepared::{Prepared, record_path, snapshot};
use super::{Gate, leftovers, ports};
use crate::host::LocalHost;

/// The environment of builds and tests beside additions and volumes.
type Volumes<'a> = &'a dyn Fn(&str) -> PathBuf;

fn disk(path: &Path, doing: &str, error: &io::Error) -> Fault {
    let fault = Fault::machine(format!("{} cannot be {doing}: {error}", path.display()));
    if error.kind() == io::ErrorKind::StorageFull {
        return fault.help(
            "free space on that disk (`landfall` keeps old releases: lower `keep`), then deploy again",
        );
    }
    fault
}

/// Removes a folder with all in it; fine when it is not there.
fn remove_folder(path: &Path) -> Result<(), Fault> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(disk(path, "removed", &error)),
    }
}

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
        match release.spec.output.as_deref() {
            None | Some("." | "") => folder,
            Some(output) => folder.join(output),
        }
    }

    /// What `prepare` wrote down of a release.
    pub(crate) fn prepared(&self, release: &Release) -> Result<Option<Prepared>, Fault> {
        Prepared::load(self.files(), &self.dir().release(release))
    }

    /// The values of the release's secrets; empty when it names none.
    pub(crate) fn secret_values(&self, release: &Release) -> Result<Variables, Fault> {
        if release.spec.secrets.is_empty() {
            return Ok(Variables::new());
        }
        read_secrets(&self.dir().secrets(release)).map_err(|error| {
            Fault::machine(format!("the secrets of {} are not in memory any more: {error}", release.id))
                .help("they do not survive a reboot; `landfall deploy` supplies them again")
        })
    }

    /// The index of a release's artifact.
    pub(crate) fn index(&self, release: &Release) -> Result<Index, Fault> {
        self.store().read_index(&release.artifact).map_err(Fault::from)
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

impl Releases for LocalHost {
    fn prepare(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        if self.is_prepared(release)? {
            return Ok(Some("kept from before".to_owned()));
        }
        self.refuse_running(release)?;
        let folder = self.dir().release(release);
        leftovers::end(&folder, self.clock());
        remove_folder(&folder)?;
        self.store().materialize(&release.artifact, &folder).map_err(Fault::from)?;
        for name in release.spec.volumes.keys() {
            let volume = self.volume_path(release, name);
            fs::create_dir_all(&volume).map_err(|e| disk(&volume, "made", &e))?;
        }
        let (prepared, note) = self.build(release, task)?;
        prepared.save(self.files(), &folder)?;
        Ok((!note.is_empty()).then_some(note))
    }

    fn is_prepared(&self, release: &Release) -> Result<bool, Fault> {
        Ok(self.prepared(release)?.is_some())
    }

    fn test(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
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

    fn discard(&self, release: &Release) -> Result<(), Fault> {
        self.refuse_running(release)?;
        let folder = self.dir().release(release);
        leftovers::end(&folder, self.clock());
        // The record goes first: without it the rest counts as not prepared, whenever this is cut short.
        let record = record_path(&folder);
        self.files().remove(&record).map_err(|e| disk(&record, "removed", &e))?;
        remove_folder(&folder)?;
        remove_folder(&unfinished_path(&folder))?;
        let secrets = self.dir().secrets(release);
        self.files().remove(&secrets).map_err(|e| disk(&secrets, "removed", &e))?;
        for instance in release.instances() {
            remove_folder(&self.dir().instance(&instance))?;
        }
        Ok(())
    }

    fn prune(&self, release: &Release, keep: u32) -> Result<Note, Fault> {
        let old = self.state().superfluous(release, keep)?;
        for release in &old {
            self.discard(release)?;
            self.state().forget_release(release)?;
        }
        let plural = if old.len() == 1 { "" } else { "s" };
        Ok((!old.is_empty()).then(|| format!("{} old release{plural} removed", old.len())))
    }

    fn remove(&self, release: &Release, volumes: bool) -> Result<Note, Fault> {
        let (app, environment) = (&release.app, &release.environment);
        for known in self.state().releases(app, environment)? {
            if known.release.service() == release.service() {
                // One that is still being drained, or that nobody saw when the plan was made.
                self.stop(&known.release)?;
                self.discard(&known.release)?;
            }
        }
        let folder = self.dir().service(app, environment, release.service());
        remove_folder(&folder.join("releases"))?;
        if volumes {
            remove_folder(&folder)?;
        }
        self.state().forget_service(release)?;
        let kept = !volumes && folder.join("volumes").is_dir();
        Ok(kept.then(|| format!("volumes kept in {}", folder.join("volumes").display())))
    }
}
