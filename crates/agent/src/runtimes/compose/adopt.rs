//! Taking over a compose project that somebody started by hand: whose it may be, what ran in it, and how that comes back
//! when the deploy that took it over is taken back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use landfall_docker::{Container, Listed};
use landfall_model::{
    AppName, EnvironmentName, Fault, FaultKind, ObservedProject, ProjectOwner, Release, ReleaseState,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::pinned::{Pinned, own_folder};
use super::prepare::write;
use super::project::Project;
use super::seen::{self, PROJECT_LABEL};
use super::tool::Call;
use super::up::OVERLAY;
use crate::host::LocalHost;
use crate::runtimes::Unwatched;
use crate::runtimes::releases::disk;

/// The version of the record's form.
const FORMAT: u32 = 1;

/// The most that is listed of a project's containers and volumes, each.
const SHOWN: usize = 50;

/// The label that every agent's containers have.
const STATE: &str = "io.landfall.state";

/// The labels in which compose says where a project comes from: its folder, and its files with commas between them.
const FOLDER_LABEL: &str = "com.docker.compose.project.working_dir";
const FILES_LABEL: &str = "com.docker.compose.project.config_files";

/// What ran in a project before it was taken over; beside the service's releases until one of them has served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Before {
    format: u32,
    project: String,
    folder: PathBuf,
    files: Vec<PathBuf>,
    /// The image of each part that ran, by its id.
    images: BTreeMap<String, String>,
}

impl Before {
    /// What these containers tell; `None` when none of them runs.
    fn of(project: &str, containers: &[Container]) -> Option<Self> {
        let ran = containers.iter().filter(|container| container.is_running());
        let images: BTreeMap<String, String> = ran
            .filter_map(|one| Some((one.labels.get(seen::PART_LABEL)?.clone(), one.image.to_string())))
            .collect();
        let (folder, files) = containers.iter().find_map(|one| origin(&one.labels)).unwrap_or_default();
        let some = !images.is_empty();
        some.then(|| Self { format: FORMAT, project: project.to_owned(), folder, files, images })
    }

    /// The compose file that is laid over the user's own, so that the very images run that ran.
    fn overlay(&self) -> Value {
        let part = |(name, image): (&String, &String)| {
            (name.clone(), json!({ "image": image, "pull_policy": "never" }))
        };
        json!({ "services": self.images.iter().map(part).collect::<serde_json::Map<_, _>>() })
    }
}

/// Where a project comes from, as one of its containers says it.
fn origin(labels: &BTreeMap<String, String>) -> Option<(PathBuf, Vec<PathBuf>)> {
    let folder = PathBuf::from(labels.get(FOLDER_LABEL)?);
    let files = labels.get(FILES_LABEL)?.split(',').map(|file| folder.join(file)).collect();
    Some((folder, files))
}

impl LocalHost {
    /// The compose projects of these names that are there, or that a service has. An engine that is not there has none.
    pub(crate) fn observed_projects(&self, names: &[String]) -> Result<Vec<ObservedProject>, Fault> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let active = self.state().releases_in(ReleaseState::Active)?;
        let mut projects = Vec::new();
        for name in names {
            let has = |release: &&Release| release.project().as_ref() == Some(name);
            let owners = active.iter().filter(has).map(|release| ProjectOwner {
                app: release.app.clone(),
                environment: release.environment.clone(),
                service: release.service().clone(),
            });
            let mut project = ObservedProject { name: name.clone(), ..ObservedProject::default() };
            project.owners = owners.collect();
            if let Ok((containers, volumes)) = self.listed(name) {
                self.sort_out(&mut project, &containers);
                project.volumes = volumes.into_iter().take(SHOWN).collect();
            }
            let empty = ObservedProject { name: name.clone(), ..ObservedProject::default() };
            if project != empty {
                projects.push(project);
            }
        }
        Ok(projects)
    }

    fn listed(&self, project: &str) -> Result<(Vec<Listed>, Vec<String>), Fault> {
        let engine = self.docker()?;
        let filter = [format!("{PROJECT_LABEL}={project}")];
        self.wait_for(async { Ok((engine.list(&filter).await?, engine.volumes(&filter).await?)) })
    }

    /// Tells containers of other agents from those of nobody.
    fn sort_out(&self, project: &mut ObservedProject, containers: &[Listed]) {
        for container in containers {
            match container.labels.get(STATE) {
                Some(mark) if mark == self.mark() => {}
                Some(_) => project.foreign.push(container.name.clone()),
                None => project.found.push(container.name.clone()),
            }
        }
        let nobodys = |one: &&Listed| !one.labels.contains_key(STATE);
        let from = containers.iter().filter(nobodys).find_map(|one| origin(&one.labels));
        let (_, files) = from.unwrap_or_default();
        if files.iter().all(|file| file.is_file()) {
            project.files = files.iter().map(|file| file.display().to_string()).collect();
        }
        for names in [&mut project.foreign, &mut project.found] {
            names.sort();
            names.truncate(SHOWN);
        }
    }

    /// What ran in the project of a release before it was taken over.
    fn before(&self, release: &Release) -> Result<Option<Before>, Fault> {
        let path = self.before_path(&release.app, &release.environment, release);
        match self.files().read(&path) {
            Ok(bytes) => {
                let before: Option<Before> = serde_json::from_slice(&bytes).ok();
                Ok(before.filter(|before| before.format == FORMAT))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk(&path, "read", &error)),
        }
    }

    fn before_path(&self, app: &AppName, environment: &EnvironmentName, release: &Release) -> PathBuf {
        self.dir().service(app, environment, release.service()).join("taken-over.json")
    }

    /// Writes down what runs in a project that this release is the first to have.
    pub(super) fn remember_before(&self, release: &Release) -> Result<(), Fault> {
        let Some(name) = release.project() else { return Ok(()) };
        let active = self.state().active(&release.app, &release.environment, release.service())?;
        if active.is_some() || self.before(release)?.is_some() {
            return Ok(());
        }
        let mut all = self.containers_of(&name)?;
        all.retain(|container| !container.labels.contains_key(STATE));
        let Some(before) = Before::of(&name, &all) else { return Ok(()) };
        let path = self.before_path(&release.app, &release.environment, release);
        let bytes = serde_json::to_vec_pretty(&before)
            .map_err(|e| Fault::internal(format!("a record has no JSON form: {e}")))?;
        self.files().replace(&path, &bytes).map_err(|e| disk(&path, "written", &e))
    }

    /// Forgets what ran before: a release has served since, or nothing is to.
    pub(super) fn forget_before(&self, release: &Release) -> Result<(), Fault> {
        let path = self.before_path(&release.app, &release.environment, release);
        self.files().remove(&path).map_err(|e| disk(&path, "removed", &e))
    }

    /// Brings back what ran before a release that never served took its project over. Gives whether there was any.
    pub(super) fn give_back(&self, release: &Release) -> Result<bool, Fault> {
        let Some(before) = self.before(release)? else { return Ok(false) };
        self.end_orphans(release)?;
        let known = self.state().release(&release.app, &release.environment, &release.id)?;
        let active = self.state().active(&release.app, &release.environment, release.service())?;
        if active.is_some() || known.is_some_and(|known| known.state != ReleaseState::Failed) {
            self.forget_before(release)?;
            return Ok(false);
        }
        let project = Project::open(self, release)?;
        project.bring_back(&before).map_err(|fault| {
            Fault::machine(format!(
                "what ran in the compose project `{}` could not be brought back: {}",
                before.project, fault.message
            ))
            .kind(FaultKind::NeedsPerson)
            .help(format!(
                "start it by hand: `docker compose -p {} up -d` with its own files; then `landfall undo`",
                before.project
            ))
        })?;
        for container in self.containers_of(&before.project)? {
            if self.has_made(&container) {
                self.wait_for(project.engine.remove(&container.id))?;
            }
        }
        // Its volumes are its owner's again.
        self.forget_declared(release)?;
        self.forget_before(release)?;
        Ok(true)
    }
}

impl Project<'_> {
    /// Refuses a project that another service or agent has, and one that runs already where it was not named: compose
    /// would take its containers for ours.
    pub(super) fn refuse_others(&self) -> Result<(), Fault> {
        let mine = |owner: &ProjectOwner| {
            (&owner.app, &owner.environment, &owner.service)
                == (&self.release.app, &self.release.environment, self.release.service())
        };
        let refused =
            |what: String| Fault::refused(what).help("name another `project`, or take that one down");
        let observed = self.host.observed_projects(std::slice::from_ref(&self.name))?;
        let Some(observed) = observed.into_iter().next() else { return Ok(()) };
        if let Some(owner) = observed.owners.iter().find(|owner| !mine(owner)) {
            return Err(refused(format!(
                "service `{}` of `{}` in `{}` has the compose project `{}`",
                owner.service, owner.app, owner.environment, self.name
            )));
        }
        if let Some(foreign) = observed.foreign.first() {
            return Err(refused(format!(
                "{foreign} in the compose project `{}` is of another agent on this machine",
                self.name
            )));
        }
        // One that somebody put into a project of ours is replaced like any other.
        let ours = self.host.containers_of(&self.name)?.iter().any(|one| self.host.has_made(one));
        match observed.found.first() {
            Some(strange) if !ours && self.compose.project.is_none() => Err(Fault::refused(format!(
                "the container {strange} belongs to a compose project `{}` that this agent did not make",
                self.name
            ))
            .help(format!(
                "to take it over: `compose = {{ project = \"{0}\" }}`; if nobody needs it: `docker compose -p {0} down` \
                 (volumes stay)",
                self.name
            ))),
            _ => Ok(()),
        }
    }

    /// Refuses to leave data behind: a folder that a container of nobody's writes into, and that the project's parts would
    /// find empty.
    pub(super) fn refuse_left_behind(&self, pinned: &Pinned) -> Result<(), Fault> {
        let mut all = self.host.containers_of(&self.name)?;
        all.retain(|container| !container.labels.contains_key(STATE));
        for one in seen::parts_of(all) {
            let kept = pinned.parts.get(&one.part).into_iter().flat_map(|part| &part.kept);
            for (below, target) in kept {
                let Some(source) = one.container.binds.get(target).map(Path::new) else { continue };
                let new = self.kept().join(below);
                if source == new || is_empty(source) || !is_empty(&new) {
                    continue;
                }
                return Err(Fault::refused(format!(
                    "`{}` keeps {target} in {}, which is beside the sources and would be left behind",
                    one.part,
                    source.display()
                ))
                .help(format!(
                    "let the compose file name it by its whole path, or copy it while nothing writes into it: \
                     `mkdir -p {1} && cp -a {0}/. {1}/`",
                    source.display(),
                    new.display()
                )));
            }
        }
        Ok(())
    }

    /// Lets compose make what ran before from its own files.
    fn bring_back(&self, before: &Before) -> Result<(), Fault> {
        if let Some(gone) = before.files.iter().find(|file| !file.is_file()) {
            return Err(Fault::machine(format!("its file {} is not there any more", gone.display())));
        }
        if before.files.is_empty() {
            return Err(Fault::machine("the files that it was started from are not known"));
        }
        let over = own_folder(&self.folder).with_file_name(format!("taken-over.{OVERLAY}"));
        write(&over, &before.overlay())?;
        let call = Call {
            tool: &self.tool,
            project: &before.project,
            folder: &before.folder,
            files: before.files.iter().chain([&over]).map(PathBuf::as_path).collect(),
            profiles: &[],
        };
        let mut words = vec!["up", "--detach", "--no-build"];
        // By name, so that the profiles that were on need not be known.
        let parts: BTreeSet<&str> = before.images.keys().map(String::as_str).collect();
        words.extend(parts);
        let done = self.perform_outside(call.words(&words), &Unwatched);
        self.host.files().remove(&over).map_err(|e| disk(&over, "removed", &e))?;
        done
    }
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_says_where_it_comes_from() {
        let labels = |files: &str| -> BTreeMap<String, String> {
            [(FOLDER_LABEL.to_owned(), "/srv/shop".to_owned()), (FILES_LABEL.to_owned(), files.to_owned())]
                .into()
        };
        let (folder, files) = origin(&labels("/srv/shop/compose.yaml,/etc/over.yaml")).unwrap();
        assert_eq!(folder, Path::new("/srv/shop"));
        assert_eq!(files, [Path::new("/srv/shop/compose.yaml"), Path::new("/etc/over.yaml")]);
        // The first generation says them relative to the folder.
        let (_, files) = origin(&labels("docker-compose.yml")).unwrap();
        assert_eq!(files, [Path::new("/srv/shop/docker-compose.yml")]);
        assert_eq!(origin(&BTreeMap::new()), None);
    }

    #[test]
    fn what_ran_comes_back_from_its_own_images() {
        let before = Before {
            format: FORMAT,
            project: "shop".to_owned(),
            folder: "/srv/shop".into(),
            files: vec!["/srv/shop/compose.yaml".into()],
            images: [("db".to_owned(), "sha256:11".to_owned())].into(),
        };
        insta::assert_snapshot!(before.overlay(), @r#"{"services":{"db":{"image":"sha256:11","pull_policy":"never"}}}"#);
    }
}
