//! Releases as containers of a Docker engine: an image built from the bundle and named by its digest, containers that
//! the engine keeps up, with fixed addresses in a network of the application's own.

mod aside;
mod boot;
mod build;
mod container;
mod dates;
pub(crate) mod exec;
mod gate;
mod life;
pub(crate) mod move_in;
mod names;
mod opened;
pub(crate) mod output;
mod owner;
mod people;
mod place;
mod read_back;
mod record;
mod room;
mod service_name;
mod ship;
mod site;
mod source;
mod status;

pub(super) use build::stopped;
use landfall_fx::host::{Note, Task};
use landfall_model::{Fault, InstanceStatus, Kind, ReceiptInstance, Release};

use super::{Ending, Glance, Instancing};
use crate::host::LocalHost;
use crate::state::InstanceRow;

/// Instances that are containers of the host's engine.
pub(crate) struct Docker;

impl Instancing for Docker {
    fn prepare(&self, host: &LocalHost, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        host.prepare_image(release, task)
    }

    fn is_prepared(&self, host: &LocalHost, release: &Release) -> Result<bool, Fault> {
        host.has_image(release)
    }

    fn test(&self, host: &LocalHost, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        host.test_image(release, task)
    }

    fn discard(&self, host: &LocalHost, release: &Release) -> Result<(), Fault> {
        host.discard_image(release)
    }

    fn remove(&self, host: &LocalHost, release: &Release, _volumes: bool) -> Result<(), Fault> {
        host.remove_networks(release)
    }

    fn place(&self, host: &LocalHost, release: &Release, rows: &mut [InstanceRow]) -> Result<(), Fault> {
        host.place_containers(release, rows)
    }

    fn ensure(
        &self,
        host: &LocalHost,
        release: &Release,
        row: &InstanceRow,
        _task: &dyn Task,
    ) -> Result<(), Fault> {
        host.ensure_container(release, row)
    }

    /// Between two lives counts: the engine starts it again.
    fn is_alive(&self, glance: &Glance<'_>, _release: &Release, row: &InstanceRow) -> bool {
        let name = names::container(row);
        glance.up().any(|one| one.name == name)
    }

    /// A container that was told to end is waited for, and made anew.
    fn late(&self, _host: &LocalHost, _release: &Release, _row: &InstanceRow) -> bool {
        false
    }

    fn await_boot(
        &self,
        host: &LocalHost,
        release: &Release,
        upto: u32,
        task: &dyn Task,
    ) -> Result<Note, Fault> {
        host.await_containers(release, upto, task)
    }

    fn read_back(&self, host: &LocalHost, release: &Release) -> Result<Vec<ReceiptInstance>, Fault> {
        host.read_back_containers(release)
    }

    fn serves(&self, host: &LocalHost, release: &Release) -> Result<(), Fault> {
        if release.spec.kind == Kind::Site {
            return Ok(());
        }
        host.give_name(release)
    }

    fn serves_no_more(&self, host: &LocalHost, release: &Release, left: u32) -> Result<(), Fault> {
        host.take_name(release, left)
    }

    fn ending(&self, host: &LocalHost, _release: &Release, row: &InstanceRow) -> Box<dyn Ending> {
        Box::new(life::Leaving::new(host, row))
    }

    fn status(
        &self,
        host: &LocalHost,
        row: &InstanceRow,
        release: Option<&Release>,
        healthy: Option<bool>,
    ) -> Vec<InstanceStatus> {
        vec![host.container_status(row, release, healthy)]
    }
}
