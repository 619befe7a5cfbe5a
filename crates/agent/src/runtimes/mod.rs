//! How releases run on this host: a folder for each runtime, and what is the same for all of them.

pub(crate) mod compose;
pub(crate) mod docker;
mod glance;
mod instances;
pub(crate) mod process;
mod releases;
mod steady;

use landfall_fx::host::{Note, Task};
use landfall_model::{Fault, InstanceStatus, ReceiptInstance, Release, Runtime, Stream};

use crate::host::LocalHost;
use crate::state::InstanceRow;

/// What instances of one runtime are made of. Every call can be made twice without harm, and blocks.
pub(crate) trait Instancing: Sync {
    /// Lays out the release: its files or its image.
    fn prepare(&self, host: &LocalHost, release: &Release, task: &dyn Task) -> Result<Note, Fault>;

    /// Whether `prepare` has been finished for it.
    fn is_prepared(&self, host: &LocalHost, release: &Release) -> Result<bool, Fault>;

    /// Runs the test gate in a throwaway copy.
    fn test(&self, host: &LocalHost, release: &Release, task: &dyn Task) -> Result<Note, Fault>;

    /// Removes what `prepare` and instances left. Refuses while one runs.
    fn discard(&self, host: &LocalHost, release: &Release) -> Result<(), Fault>;

    /// Removes what belongs to the service as a whole, all its releases being gone.
    fn remove(&self, host: &LocalHost, release: &Release, volumes: bool) -> Result<(), Fault>;

    /// Gives each row an address that it can have; known ones keep theirs where they can.
    fn place(&self, host: &LocalHost, release: &Release, rows: &mut [InstanceRow]) -> Result<(), Fault>;

    /// Starts an instance that does not run.
    fn ensure(
        &self,
        host: &LocalHost,
        release: &Release,
        row: &InstanceRow,
        task: &dyn Task,
    ) -> Result<(), Fault>;

    /// Whether it is there and looked after: running, or between two lives.
    fn is_alive(&self, glance: &Glance<'_>, release: &Release, row: &InstanceRow) -> bool;

    /// Those that were told to end, have longer for it than anybody waits, and start again when they have.
    fn late(&self, host: &LocalHost, release: &Release, row: &InstanceRow) -> bool;

    /// Waits until the first `upto` instances are healthy.
    fn await_boot(
        &self,
        host: &LocalHost,
        release: &Release,
        upto: u32,
        task: &dyn Task,
    ) -> Result<Note, Fault>;

    /// Reads back what runs, and whether it is what should.
    fn read_back(&self, host: &LocalHost, release: &Release) -> Result<Vec<ReceiptInstance>, Fault>;

    /// What is done when the release begins to serve.
    fn serves(&self, host: &LocalHost, release: &Release) -> Result<(), Fault>;

    /// What is done when requests leave the instances of a release beyond the first `left`, before those are told to end.
    fn serves_no_more(&self, _host: &LocalHost, _release: &Release, _left: u32) -> Result<(), Fault> {
        Ok(())
    }

    /// An instance that is to be stopped.
    fn ending(&self, host: &LocalHost, release: &Release, row: &InstanceRow) -> Box<dyn Ending>;

    /// How an instance is, and each part of it that is looked after by itself. `healthy` is what the proxy says of its
    /// address.
    fn status(
        &self,
        host: &LocalHost,
        row: &InstanceRow,
        release: Option<&Release>,
        healthy: Option<bool>,
    ) -> Vec<InstanceStatus>;
}

/// A task that nobody watches and nobody cancels.
pub(crate) struct Unwatched;

impl Task for Unwatched {
    fn line(&self, _: Stream, _: &str) {}

    fn cancelled(&self) -> bool {
        false
    }
}

/// An instance that is being stopped.
pub(crate) trait Ending: Send {
    /// One look: does what is next, and says whether it is gone.
    fn has_ended(&mut self, host: &LocalHost, release: &Release) -> Result<bool, Fault>;
}

/// What makes instances of a release.
pub(crate) fn of(release: &Release) -> &'static dyn Instancing {
    match release.spec.runtime {
        Runtime::Process => &Process,
        Runtime::Docker => &docker::Docker,
        Runtime::Compose => &compose::Compose,
    }
}

pub(crate) use glance::Glance;
pub(crate) use process::Process;
#[cfg(test)]
pub(crate) use process::tests::release_of;
