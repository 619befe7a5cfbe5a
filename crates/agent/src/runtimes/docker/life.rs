//! The life of an instance's container: made and started, told to end, removed.

use std::time::Duration;

use landfall_docker::{Container, Engine, State};
use landfall_model::{Fault, FaultKind, Release, ReleaseState};

use super::container::{self, Given};
use super::{names, owner};
use crate::host::LocalHost;
use crate::runtimes::Ending;
use crate::runtimes::instances::AFTER_GRACE;
use crate::state::InstanceRow;

impl LocalHost {
    /// Makes and starts the container of an instance, unless it runs. One that runs something else is replaced.
    pub(super) fn ensure_container(&self, release: &Release, row: &InstanceRow) -> Result<(), Fault> {
        let docker = self.docker()?;
        let name = names::container(row);
        let built = self.built_before(release)?;
        let there = self.wait_for(docker.container(&name))?;
        if let Some(there) = there {
            if !self.made(&there) {
                return Err(Fault::machine(format!(
                    "there is a container {name} already that Landfall did not make"
                ))
                .help(format!("see `docker inspect {name}`; rename it or take it away, then deploy again")));
            }
            let right = there.image.as_str() == built.image.to_string()
                && there.labels.get(names::INSTANCE).map(String::as_str) == Some(row.id.as_str())
                && self.stands(&there, row);
            let stays = match there.state {
                State::Running | State::Restarting => right,
                State::Exited => right && self.wait_for(starts(&docker, &name))?,
                // One that never ran may not be all that it is to be.
                State::Created | State::Paused | State::Dead => false,
            };
            if stays {
                return Ok(());
            }
            self.wait_for(async {
                self.keep_output(&docker, release, row).await;
                self.take_away(&docker, &name).await
            })?;
        }
        self.make_volumes(release)?;
        let (mark, user) = (self.mark(), owner::user_of(release, &built));
        self.own_volumes(release, &built)?;
        let files = self.secret_files(release)?;
        let wanted = container::instance(
            release,
            row,
            Given {
                built: &built,
                mark,
                secrets: self.secret_values(release)?,
                secret_files: &files,
                volume: &|name| self.volume_path(release, name),
                user,
            },
        )?;
        self.wait_for(docker.create(&wanted))?;
        let known = self.state().release(&release.app, &release.environment, &release.id)?;
        if known.is_some_and(|known| known.state == ReleaseState::Active) {
            // One that is made anew is found as the one before was.
            self.give_name(release)?;
        }
        self.wait_for(docker.start(&name))
    }

    /// Whether this agent made a container; any other is neither stopped nor removed, whatever it is called.
    pub(super) fn made(&self, there: &Container) -> bool {
        there.labels.get(names::STATE).map(String::as_str) == Some(self.mark())
    }

    /// Removes the container of that name, if this agent made it.
    pub(super) async fn remove_made(&self, docker: &Engine, name: &str) -> Result<(), Fault> {
        let there = docker.container(name).await?;
        if there.is_some_and(|there| self.made(&there)) {
            self.take_away(docker, name).await?;
        }
        Ok(())
    }

    /// The container of an instance, if the engine has one.
    pub(super) fn container_of(&self, row: &InstanceRow) -> Result<Option<Container>, Fault> {
        let docker = self.docker()?;
        self.wait_for(docker.container(&names::container(row)))
    }
}

/// Starts a container; `false` for one that cannot be started as it stands, and is made anew: its place in a network is
/// not to be had any more, or the engine still has a run of it.
async fn starts(docker: &Engine, name: &str) -> Result<bool, Fault> {
    let Err(fault) = docker.start(name).await else { return Ok(true) };
    match docker.container(name).await? {
        Some(there) if there.lost_its_place() || there.is_stuck() => Ok(false),
        _ => Err(fault),
    }
}

/// A container that is being stopped.
pub(super) struct Leaving {
    row: InstanceRow,
    name: String,
    since: Duration,
    /// What it was sent last.
    sent: Sent,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    Nothing,
    Signal,
    Kill,
}

impl Leaving {
    pub(super) fn new(host: &LocalHost, row: &InstanceRow) -> Self {
        Self {
            row: row.clone(),
            name: names::container(row),
            since: host.clock().elapsed(),
            sent: Sent::Nothing,
        }
    }

    /// Sends what is due.
    async fn send(&mut self, docker: &Engine, release: &Release, waited: Duration) -> Result<(), Fault> {
        let grace = release.spec.stop.grace.duration();
        let (due, signal) = if waited < grace {
            (Sent::Signal, format!("SIG{}", release.spec.stop.signal))
        } else {
            (Sent::Kill, "SIGKILL".to_owned())
        };
        if self.sent != due {
            docker.kill(&self.name, &signal).await?;
            self.sent = due;
        }
        Ok(())
    }
}

impl Ending for Leaving {
    fn has_ended(&mut self, host: &LocalHost, release: &Release) -> Result<bool, Fault> {
        let docker = host.docker()?;
        let waited = host.clock().elapsed() - self.since;
        host.wait_for(async {
            let there = docker.container(&self.name).await?.filter(|there| host.made(there));
            let Some(there) = there else { return Ok(true) };
            if there.state == State::Running || there.state == State::Paused {
                self.send(&docker, release, waited).await?;
                if waited > release.spec.stop.grace.duration() + AFTER_GRACE {
                    return Err(Fault::machine(format!(
                        "the container {} does not end, not even by SIGKILL",
                        self.name
                    ))
                    .kind(FaultKind::NeedsPerson)
                    .help(format!("see `docker inspect {}`", self.name)));
                }
                return Ok(false);
            }
            host.keep_output(&docker, release, &self.row).await;
            host.take_away(&docker, &self.name).await?;
            Ok(true)
        })
    }
}
