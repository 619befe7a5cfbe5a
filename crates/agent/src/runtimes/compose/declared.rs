//! Which volumes and networks the compose files of a service declared, by the engine's names for them: those alone go with
//! the service. A label is no proof, as anybody may give a thing any, and what an engine has cannot be given another one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use landfall_docker::DiskUse;
use landfall_model::api::{DiskEntry, DiskKind, Whose};
use landfall_model::{AppName, EnvironmentName, Fault, Release, Runtime, ServiceName};
use serde::{Deserialize, Serialize};

use super::project_of;
use super::seen::PROJECT_LABEL;
use crate::host::LocalHost;
use crate::runtimes::releases::disk;

/// The version of the record's form.
const FORMAT: u32 = 1;

/// The label in which compose says which of the declared volumes one is.
const VOLUME_LABEL: &str = "com.docker.compose.volume";

/// What a project declares, by the engine's names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Things {
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) volumes: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) networks: BTreeSet<String>,
}

impl Things {
    /// What every project has, whatever its files say.
    pub(super) fn of_any(project: &str) -> Self {
        Self { networks: [format!("{project}_default")].into(), ..Self::default() }
    }

    fn add(&mut self, other: Self) {
        self.volumes.extend(other.volumes);
        self.networks.extend(other.networks);
    }
}

/// All that the releases of a service ever declared, by project; beside its releases, as it outlives them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Declared {
    format: u32,
    projects: BTreeMap<String, Things>,
}

impl LocalHost {
    /// What the releases of a service declared in a project; `None` where no release with this record was prepared.
    pub(super) fn declared_by(&self, release: &Release, project: &str) -> Result<Option<Things>, Fault> {
        let path = self.declared_path(&release.app, &release.environment, release.service());
        let declared = self.declared(&path)?;
        Ok(declared.map(|mut declared| declared.projects.remove(project).unwrap_or_default()))
    }

    /// Adds what a release declares to what is known, before anything of it is made.
    pub(super) fn declare(&self, release: &Release, things: Things) -> Result<(), Fault> {
        let path = self.declared_path(&release.app, &release.environment, release.service());
        let project = project_of(release)?;
        let before = self.declared(&path)?;
        let mut declared =
            before.clone().unwrap_or_else(|| Declared { format: FORMAT, projects: BTreeMap::new() });
        let known = declared.projects.entry(project.clone()).or_insert_with(|| Things::of_any(&project));
        if before.is_none() && self.has_older(release, &project)? {
            known.add(self.named_by_compose(&project)?);
        }
        known.add(things);
        if before.as_ref() == Some(&declared) {
            return Ok(());
        }
        let bytes = serde_json::to_vec_pretty(&declared)
            .map_err(|e| Fault::internal(format!("a record has no JSON form: {e}")))?;
        self.files().replace(&path, &bytes).map_err(|e| disk(&path, "written", &e))
    }

    /// Forgets a project whose volumes are gone.
    pub(super) fn forget_declared(&self, release: &Release) -> Result<(), Fault> {
        let path = self.declared_path(&release.app, &release.environment, release.service());
        self.files().remove(&path).map_err(|e| disk(&path, "removed", &e))
    }

    /// Marks the volumes that compose files of services here declared as theirs.
    pub(crate) fn mark_declared(&self, there: &DiskUse, entries: &mut [DiskEntry]) -> Result<(), Fault> {
        let project_of: BTreeMap<&str, &str> = there
            .volumes
            .iter()
            .filter_map(|volume| Some((volume.name.as_str(), volume.labels.get(PROJECT_LABEL)?.as_str())))
            .collect();
        for (app, environment, service, _) in self.kept_folders() {
            let path = self.declared_path(&app, &environment, &service);
            let Some(declared) = self.declared(&path)? else { continue };
            for entry in entries.iter_mut().filter(|entry| entry.kind == DiskKind::Volume) {
                let things = project_of.get(&*entry.name).and_then(|project| declared.projects.get(*project));
                if things.is_some_and(|things| things.volumes.contains(&entry.name)) {
                    entry.whose = Whose::Ours;
                    entry.app = Some(app.clone());
                    entry.environment = Some(environment.clone());
                    entry.service = Some(service.clone());
                }
            }
        }
        Ok(())
    }

    /// Whether another release of the service had the project.
    fn has_older(&self, release: &Release, project: &str) -> Result<bool, Fault> {
        let known = self.state().releases(&release.app, &release.environment)?;
        Ok(known.iter().map(|known| &known.release).any(|other| {
            other.id != release.id
                && other.service() == release.service()
                && other.spec.runtime == Runtime::Compose
                && other.project().as_deref() == Some(project)
        }))
    }

    /// The things of a project that have the names which compose gives where a file gives none: what an agent without a
    /// record brought up.
    pub(super) fn named_by_compose(&self, project: &str) -> Result<Things, Fault> {
        let engine = self.docker()?;
        let filter = format!("{PROJECT_LABEL}={project}");
        let mut things = Things::of_any(project);
        self.wait_for(async {
            for network in engine.networks(std::slice::from_ref(&filter)).await? {
                if network.name.strip_prefix(project).is_some_and(|rest| rest.starts_with('_')) {
                    things.networks.insert(network.name);
                }
            }
            for volume in engine.volumes(std::slice::from_ref(&filter)).await? {
                let Some(key) = volume.strip_prefix(project).and_then(|rest| rest.strip_prefix('_')) else {
                    continue;
                };
                let by_compose = [filter.clone(), format!("{VOLUME_LABEL}={key}")];
                if engine.volumes(&by_compose).await?.contains(&volume) {
                    things.volumes.insert(volume);
                }
            }
            Ok(things)
        })
    }

    fn declared(&self, path: &std::path::Path) -> Result<Option<Declared>, Fault> {
        match self.files().read(path) {
            Ok(bytes) => {
                let declared: Option<Declared> = serde_json::from_slice(&bytes).ok();
                Ok(declared.filter(|declared| declared.format == FORMAT))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk(path, "read", &error)),
        }
    }

    fn declared_path(&self, app: &AppName, environment: &EnvironmentName, service: &ServiceName) -> PathBuf {
        self.dir().service(app, environment, service).join("declared.json")
    }
}
