//! A release as a compose project: the user's own file through the real `docker compose`, every image pinned by digest.
//!
//! All containers of a project together are one instance: compose replaces them in place, so that a project belongs to
//! one release at a time, the one that was brought up last. What does not change from one release to the next goes on
//! running.

mod adopt;
mod boot;
mod config;
mod declared;
mod end;
pub(crate) mod exec;
pub(crate) mod files;
mod gate;
mod judge;
pub(crate) mod logs;
mod mend;
mod names;
mod overlay;
mod pinned;
mod port;
mod prepare;
mod project;
mod replaced;
mod seen;
mod status;
mod tool;
mod up;

pub(crate) use pinned::BESIDE;

use landfall_fx::host::{Note, Task};
use landfall_model::{Fault, InstanceStatus, ReceiptInstance, Release};

use super::releases::remove_folder;
use super::{Ending, Glance, Instancing};
use crate::host::LocalHost;
use crate::state::InstanceRow;

/// Instances that are compose projects.
pub(crate) struct Compose;

impl Instancing for Compose {
    fn prepare(&self, host: &LocalHost, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        host.prepare_project(release, task)
    }

    fn is_prepared(&self, host: &LocalHost, release: &Release) -> Result<bool, Fault> {
        host.has_images(release)
    }

    fn test(&self, host: &LocalHost, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        host.test_project(release, task)
    }

    fn discard(&self, host: &LocalHost, release: &Release) -> Result<(), Fault> {
        host.discard_project(release)
    }

    fn remove(&self, host: &LocalHost, release: &Release, volumes: bool) -> Result<(), Fault> {
        host.forget_before(release)?;
        remove_folder(&host.replaced_outputs(release))?;
        host.clear_project(release, &project_of(release)?, volumes)?;
        if volumes { host.forget_declared(release) } else { Ok(()) }
    }

    fn place(&self, host: &LocalHost, release: &Release, rows: &mut [InstanceRow]) -> Result<(), Fault> {
        host.place_project(release, rows)
    }

    fn ensure(
        &self,
        host: &LocalHost,
        release: &Release,
        row: &InstanceRow,
        task: &dyn Task,
    ) -> Result<(), Fault> {
        host.up_project(release, row, task)
    }

    fn is_alive(&self, glance: &Glance<'_>, release: &Release, _row: &InstanceRow) -> bool {
        let Some(project) = release.project() else { return false };
        glance.up().any(|one| seen::is_of(&one.labels, &project))
    }

    /// What was told to end is waited for.
    fn late(&self, _host: &LocalHost, _release: &Release, _row: &InstanceRow) -> bool {
        false
    }

    fn await_boot(
        &self,
        host: &LocalHost,
        release: &Release,
        _upto: u32,
        task: &dyn Task,
    ) -> Result<Note, Fault> {
        host.await_project(release, task)
    }

    fn read_back(&self, host: &LocalHost, release: &Release) -> Result<Vec<ReceiptInstance>, Fault> {
        host.read_back_project(release)
    }

    /// The project has its own network, in which its parts find each other.
    fn serves(&self, _host: &LocalHost, _release: &Release) -> Result<(), Fault> {
        Ok(())
    }

    fn ending(&self, _host: &LocalHost, _release: &Release, _row: &InstanceRow) -> Box<dyn Ending> {
        Box::new(end::Stopping)
    }

    fn status(
        &self,
        host: &LocalHost,
        row: &InstanceRow,
        release: Option<&Release>,
        _healthy: Option<bool>,
    ) -> Vec<InstanceStatus> {
        release.map(|release| host.project_status(row, release)).unwrap_or_default()
    }
}

/// The name of a release's project.
fn project_of(release: &Release) -> Result<String, Fault> {
    let none = || Fault::internal(format!("{} is no compose project and is to run as one", release.id));
    release.project().ok_or_else(none)
}
