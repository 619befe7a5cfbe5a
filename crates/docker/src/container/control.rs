//! Ruling containers: making, starting, stopping, removing, looking at them.

use std::time::Duration;

use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, KillContainerOptionsBuilder,
    ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder,
    StartContainerOptions, StopContainerOptionsBuilder,
};
use landfall_model::Fault;
use tokio::time::{Instant, sleep};

use super::info::{self, Container, Listed};
use super::spec::ContainerSpec;
use crate::engine::Engine;
use crate::limits::{HELD, HELD_EVERY, STOP_MARGIN};
use crate::{fault, labels};

impl Engine {
    /// Makes a container; nothing runs yet. Gives its id.
    ///
    /// # Errors
    /// When the name is taken, the image is not there, or what is wanted cannot be had.
    pub async fn create(&self, spec: &ContainerSpec) -> Result<String, Fault> {
        let options = CreateContainerOptionsBuilder::new().name(&spec.name).build();
        let made = self.docker.create_container(Some(options), spec.to_engine()).await;
        let made = made.map_err(|why| fault::call(&format!("making the container {}", spec.name), &why))?;
        Ok(made.id)
    }

    /// Starts a container; one that runs stays as it is.
    ///
    /// # Errors
    /// When its command cannot be run, an address or a folder is not to be had.
    pub async fn start(&self, container: &str) -> Result<(), Fault> {
        let started = self.docker.start_container(container, None::<StartContainerOptions>).await;
        started.map_err(|why| fault::call(&format!("starting the container {container}"), &why))
    }

    /// Asks a container to stop with the signal it was made with, and kills it after `grace` (rounded up to seconds);
    /// the engine does not start it again. One that does not run, or is not there, stays as it is.
    ///
    /// # Errors
    /// When the engine cannot be asked, or the container outlives the kill.
    pub async fn stop(&self, container: &str, grace: Duration) -> Result<(), Fault> {
        let seconds = i32::try_from(grace.as_millis().div_ceil(1000)).unwrap_or(i32::MAX);
        let patient = self.docker.clone().with_timeout(grace.saturating_add(STOP_MARGIN));
        let options = StopContainerOptionsBuilder::new().t(seconds).build();
        match patient.stop_container(container, Some(options)).await {
            Ok(()) => Ok(()),
            Err(why) if fault::is_missing(&why) => Ok(()),
            Err(why) => Err(fault::call(&format!("stopping the container {container}"), &why)),
        }
    }

    /// Sends a signal (`SIGHUP`) to a container's first process. Gives whether it ran.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub async fn kill(&self, container: &str, signal: &str) -> Result<bool, Fault> {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        match self.docker.kill_container(container, Some(options)).await {
            Ok(()) => Ok(true),
            Err(why) if fault::is_missing(&why) || fault::is_conflict(&why) => Ok(false),
            Err(why) => Err(fault::call(&format!("sending {signal} to the container {container}"), &why)),
        }
    }

    /// Gives a container another name; one that runs goes on.
    ///
    /// # Errors
    /// When there is no such container, or the name is another's.
    pub async fn rename(&self, container: &str, name: &str) -> Result<(), Fault> {
        let options = RenameContainerOptionsBuilder::new().name(name).build();
        let renamed = self.docker.rename_container(container, options).await;
        renamed.map_err(|why| fault::call(&format!("renaming the container {container}"), &why))
    }

    /// Removes a container with the nameless volumes that it has; one that runs is killed. Gives whether there was one;
    /// none is there afterwards.
    ///
    /// # Errors
    /// When the engine cannot be asked, or another call holds the container for longer than `HELD`.
    pub async fn remove(&self, container: &str) -> Result<bool, Fault> {
        let doing = || format!("removing the container {container}");
        let until = Instant::now() + HELD;
        let mut was_there = false;
        loop {
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
            match self.docker.remove_container(container, Some(options)).await {
                Ok(()) => return Ok(true),
                Err(why) if fault::is_missing(&why) => return Ok(was_there),
                // Another call removes it already, or starts it: it is neither running nor at rest at this moment.
                Err(why) if fault::is_conflict(&why) && Instant::now() < until => was_there = true,
                Err(why) => return Err(fault::call(&doing(), &why)),
            }
            sleep(HELD_EVERY).await;
        }
    }

    /// Looks at a container, by id or name; `None` when there is none.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub async fn container(&self, container: &str) -> Result<Option<Container>, Fault> {
        match self.docker.inspect_container(container, None::<InspectContainerOptions>).await {
            Ok(told) => Ok(Some(info::read(told))),
            Err(why) if fault::is_missing(&why) => Ok(None),
            Err(why) => Err(fault::call(&format!("looking at the container {container}"), &why)),
        }
    }

    /// What a single call tells of the containers that carry all of the `labels` (`KEY` or `KEY=VALUE`), also of those that
    /// do not run.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub async fn list(&self, labels: &[String]) -> Result<Vec<Listed>, Fault> {
        let options = ListContainersOptionsBuilder::new().all(true).filters(&labels::filters(labels)).build();
        let told = self.docker.list_containers(Some(options)).await;
        let told = told.map_err(|why| fault::call("listing containers", &why))?;
        Ok(told.into_iter().filter_map(info::listed).collect())
    }

    /// The containers that carry all of the `labels` (`KEY` or `KEY=VALUE`), also those that do not run; each is looked
    /// at.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub async fn containers(&self, labels: &[String]) -> Result<Vec<Container>, Fault> {
        let listed = self.list(labels).await?;
        let mut containers = Vec::with_capacity(listed.len());
        for one in listed {
            // One that went away in between is not there.
            containers.extend(self.container(&one.id).await?);
        }
        Ok(containers)
    }
}
