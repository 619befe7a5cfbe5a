//! Bringing a project up: `docker compose up` with the user's files and the overlay that pins every image. What has not
//! changed goes on running; what has is replaced by compose itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use landfall_docker::Container;
use landfall_fx::host::Task;
use landfall_model::{Fault, Release, SecretsAs, Stream};

use super::files::Files;
use super::overlay::{self, Place};
use super::pinned::Pinned;
use super::prepare::write;
use super::project::{Project, is_interruption};
use super::project_of;
use super::seen::{self, Seen};
use crate::host::LocalHost;
use crate::runtimes::docker::stopped;
use crate::runtimes::process::environment::Variables;
use crate::runtimes::process::ports;
use crate::runtimes::releases::disk;
use crate::state::InstanceRow;

/// The overlay that pins.
pub(super) const OVERLAY: &str = "landfall.override.yaml";

impl LocalHost {
    /// Gives the row of a project that answers at a port of this host its address: the one that the release before has,
    /// so that what has not changed need not be replaced, or else a free one.
    pub(super) fn place_project(&self, release: &Release, rows: &mut [InstanceRow]) -> Result<(), Fault> {
        if self.pinned_before(release)?.answers.is_none() {
            return Ok(());
        }
        let (known, mut taken) = (self.state().instances()?, BTreeSet::new());
        taken.extend(known.iter().filter_map(|row| row.address.clone()));
        let runs = !self.seen(release)?.is_empty();
        for row in rows.iter_mut() {
            let own = |other: &&InstanceRow| {
                (&other.app, &other.environment) == (&row.app, &row.environment)
                    && other.release.service() == row.release.service()
            };
            let before = known.iter().filter(own).find_map(|other| other.address.clone());
            let usable = row.address.clone().or(before).filter(|address| runs || ports::is_free(address));
            row.address = match usable {
                Some(address) => Some(address),
                None => ports::choose(1, &taken)?.pop(),
            };
        }
        Ok(())
    }

    /// Brings the project up as the release says it. It belongs to nobody else from then on, whatever comes of it: the row
    /// of the release that had it goes first, as it is the one that every container is compared with.
    pub(super) fn up_project(
        &self,
        release: &Release,
        row: &InstanceRow,
        task: &dyn Task,
    ) -> Result<(), Fault> {
        let pinned = self.pinned_before(release)?;
        self.end_orphans(release)?;
        let project = Project::open(self, release)?;
        project.fetch_missing(&pinned, task)?;
        let over = project.write_overlay(&pinned, row.address.as_deref())?;
        for kept in pinned.parts.values().flat_map(|part| part.kept.keys()) {
            let path = project.kept().join(kept);
            fs::create_dir_all(&path).map_err(|e| disk(&path, "made", &e))?;
        }
        let before = self.take_from_others(release, row, &project.name)?;
        let before = before.as_ref().unwrap_or(release);
        self.remember_before(release)?;
        self.mend_project(release)?;
        let tails = self.tails(before);
        let words = project.call(&[&over]).words(&["up", "--detach", "--no-build", "--remove-orphans"]);
        let done = project.perform(words, &Variables::new(), task);
        // A few lines less to be shown are no reason to fail.
        let _ = self.keep_replaced(before, tails);
        done.map_err(
            |fault| if is_interruption(&fault) { fault } else { self.not_up(release, &pinned, fault) },
        )
    }

    /// Forgets that other releases of the service have the project of this name; gives the one that had it.
    fn take_from_others(
        &self,
        release: &Release,
        row: &InstanceRow,
        project: &str,
    ) -> Result<Option<Release>, Fault> {
        let mut before = None;
        for other in self.state().instances()? {
            let same = (&other.app, &other.environment) == (&release.app, &release.environment)
                && other.release.service() == release.service();
            if same && other.id != row.id && self.has_project(&other, project)? {
                let known = self.state().release(&other.app, &other.environment, &other.release)?;
                before = known.map(|known| known.release).or(before);
                self.state().remove_instance(&other.id)?;
            }
        }
        Ok(before)
    }

    /// Whether a row is of a release that has the compose project of this name.
    pub(super) fn has_project(&self, row: &InstanceRow, project: &str) -> Result<bool, Fault> {
        let known = self.state().release(&row.app, &row.environment, &row.release)?;
        Ok(known.is_some_and(|known| known.release.project().as_deref() == Some(project)))
    }

    /// Whether a release was prepared and all its images are there.
    pub(super) fn has_images(&self, release: &Release) -> Result<bool, Fault> {
        let Some(pinned) = self.pinned(release)? else { return Ok(false) };
        let engine = self.docker()?;
        for part in pinned.parts.values().filter(|part| part.built) {
            if self.wait_for(engine.image(&part.id))?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The images that a release was pinned to, by the engine's ids; none when it is not prepared.
    pub(crate) fn pinned_images(&self, release: &Release) -> Result<Vec<String>, Fault> {
        let parts = self.pinned(release)?.map(|pinned| pinned.parts).unwrap_or_default();
        Ok(parts.into_values().map(|part| part.id).collect())
    }

    /// The containers of a release's project, whichever release they are of.
    pub(super) fn seen(&self, release: &Release) -> Result<Vec<Seen>, Fault> {
        self.containers_of(&project_of(release)?).map(seen::parts_of)
    }

    /// All containers that carry a project's name, whoever made them.
    pub(super) fn containers_of(&self, project: &str) -> Result<Vec<Container>, Fault> {
        let engine = self.docker()?;
        self.wait_for(engine.containers(&[format!("{}={project}", seen::PROJECT_LABEL)]))
    }

    /// Whether this agent made a container.
    pub(super) fn has_made(&self, container: &Container) -> bool {
        container.labels.get("io.landfall.state").map(String::as_str) == Some(self.mark())
    }
}

impl Project<'_> {
    /// Where folders lie that parts write into and that are none of the sources.
    pub(super) fn kept(&self) -> PathBuf {
        let (app, environment) = (&self.release.app, &self.release.environment);
        self.host.dir().service(app, environment, self.release.service()).join("volumes")
    }

    /// An image that was removed since comes back by its digest where a registry has it.
    pub(super) fn fetch_missing(&self, pinned: &Pinned, task: &dyn Task) -> Result<(), Fault> {
        for (name, part) in &pinned.parts {
            if self.host.wait_for(self.engine.image(&part.id))?.is_some() {
                continue;
            }
            let gone = || {
                Fault::machine(format!("the image {} of `{name}` in {} is gone", part.name, self.release.id))
            };
            if part.built || part.image == part.id {
                return Err(gone().help("`landfall deploy` makes a release with a new one"));
            }
            let mut lines = |stream: Stream, line: &str| task.line(stream, line);
            self.host.wait_for(async {
                let login = self.host.login_for(&part.image).await?;
                tokio::select! {
                    pulled = self.engine.pull(&part.image, None, login.as_ref(), &mut lines) => {
                        pulled.map(drop).map_err(|fault| gone().help(fault.message))
                    }
                    fault = stopped(task, "the pull") => Err(fault),
                }
            })?;
        }
        Ok(())
    }

    /// Writes the overlay that pins, and the files of secrets that it names.
    pub(super) fn write_overlay(&self, pinned: &Pinned, address: Option<&str>) -> Result<PathBuf, Fault> {
        let files = Files::of(self.host.dir(), self.release);
        files.write(pinned, self.secrets()).map_err(|(path, error)| disk(&path, "written", &error))?;
        let labels = self.host.project_labels(self.release);
        let as_files = self.compose.secrets_as == SecretsAs::Files;
        let over = overlay::pinned(
            pinned,
            &Place {
                labels: &labels,
                kept: &self.kept(),
                address,
                variables: self.release.spec.env.keys().map(String::as_str).collect(),
                secrets: &self.release.spec.secrets,
                file: &|secret| files.path(secret),
                mark: &|part| files.mark(part),
                as_files,
            },
        );
        let path = self.overlay();
        write(&path, &over)?;
        Ok(path)
    }
}
