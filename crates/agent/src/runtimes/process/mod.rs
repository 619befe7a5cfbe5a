//! Releases as processes of this host: a folder laid out from the store, dependencies prepared once, instances under
//! supervisors that outlive the agent.

mod boot;
mod commands;
mod copy;
pub(crate) mod environment;
mod exec;
pub(crate) mod health;
mod instances;
pub(crate) mod leftovers;
pub(crate) mod ports;
pub(crate) mod prepared;
mod read_back;
mod releases;
mod status;
mod stop;
mod terminal;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use commands::{Gate, Lines, TIMEOUT as TEST_TIMEOUT, find, how};
pub(crate) use exec::{Frame, exec_session, read_frame, run_program};

use landfall_fx::host::{Note, Task};
use landfall_model::{Fault, InstanceStatus, ReceiptInstance, Release};

use super::{Ending, Glance, Instancing};
use crate::host::LocalHost;
use crate::state::InstanceRow;

/// Instances that are processes of this host.
pub(crate) struct Process;

impl Instancing for Process {
    fn prepare(&self, host: &LocalHost, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        host.prepare_files(release, task)
    }

    fn is_prepared(&self, host: &LocalHost, release: &Release) -> Result<bool, Fault> {
        Ok(host.prepared(release)?.is_some())
    }

    fn test(&self, host: &LocalHost, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        host.test_files(release, task)
    }

    fn discard(&self, host: &LocalHost, release: &Release) -> Result<(), Fault> {
        host.discard_files(release)
    }

    /// All that a service has lies in its folder.
    fn remove(&self, _host: &LocalHost, _release: &Release, _volumes: bool) -> Result<(), Fault> {
        Ok(())
    }

    fn place(&self, host: &LocalHost, release: &Release, rows: &mut [InstanceRow]) -> Result<(), Fault> {
        host.place_processes(release, rows)
    }

    fn ensure(
        &self,
        host: &LocalHost,
        release: &Release,
        row: &InstanceRow,
        _task: &dyn Task,
    ) -> Result<(), Fault> {
        host.ensure_supervisor(release, row)
    }

    fn is_alive(&self, glance: &Glance<'_>, _release: &Release, row: &InstanceRow) -> bool {
        landfall_shim::is_alive(&glance.host.dir().instance(&row.id))
    }

    fn late(&self, host: &LocalHost, release: &Release, row: &InstanceRow) -> bool {
        host.is_late(release, row)
    }

    fn await_boot(
        &self,
        host: &LocalHost,
        release: &Release,
        upto: u32,
        task: &dyn Task,
    ) -> Result<Note, Fault> {
        host.await_boot(release, upto, task)
    }

    fn read_back(&self, host: &LocalHost, release: &Release) -> Result<Vec<ReceiptInstance>, Fault> {
        host.read_back_release(release)
    }

    /// Other services reach it through its route.
    fn serves(&self, _host: &LocalHost, _release: &Release) -> Result<(), Fault> {
        Ok(())
    }

    fn ending(&self, host: &LocalHost, _release: &Release, row: &InstanceRow) -> Box<dyn Ending> {
        Box::new(stop::Ending::new(host, row))
    }

    fn status(
        &self,
        host: &LocalHost,
        row: &InstanceRow,
        release: Option<&Release>,
        healthy: Option<bool>,
    ) -> Vec<InstanceStatus> {
        vec![host.process_status(row, release.map(|release| &release.spec), healthy)]
    }
}
