//! Waiting for containers to become healthy: all are watched at once, so that the first that ends is reported at once.

use std::time::Duration;

use landfall_docker::{Container, Engine, Health, State};
use landfall_fx::host::{Note, Task};
use landfall_model::{Evidence, Fault, FaultKind, HealthAnswer, Kind, Millis, Release};
use landfall_shim::{evidence, log};

use super::names;
use super::record::Built;
use super::status;
use crate::host::LocalHost;
use crate::runtimes::process::health;
use crate::runtimes::steady::{self, Answers};
use crate::state::{InstanceRow, Measured};

/// Between two looks at a booting container at first, and after `EAGER`.
const LOOK_EAGER: Duration = Duration::from_millis(10);
const LOOK: Duration = Duration::from_millis(100);
const EAGER: Duration = Duration::from_secs(5);

/// A container that has run for longer when it is first looked at was not started now.
const JUST_STARTED: Duration = Duration::from_secs(2);

/// Lines of output that go into an autopsy.
const AUTOPSY_LINES: usize = 40;

/// A container that is waited for.
struct Booting {
    row: InstanceRow,
    name: String,
    /// How long it had run when it was first looked at.
    ran: Option<Duration>,
    last: Option<HealthAnswer>,
    answers: Answers,
    healthy: bool,
}

impl LocalHost {
    /// Waits until the first `upto` containers are healthy.
    pub(super) fn await_containers(
        &self,
        release: &Release,
        upto: u32,
        task: &dyn Task,
    ) -> Result<Note, Fault> {
        let (docker, built) = (self.docker()?, self.built_before(release)?);
        let rows = self.rows_of(release, upto)?.into_iter();
        let mut all: Vec<Booting> = rows
            .map(|row| {
                let name = names::container(&row);
                let answers = Answers::default();
                Booting { row, name, ran: None, last: None, answers, healthy: false }
            })
            .collect();
        let begun = self.clock().elapsed();
        while all.iter().any(|booting| !booting.healthy) {
            if task.cancelled() {
                let fault = Fault::application("waiting for health was interrupted");
                return Err(fault.kind(FaultKind::Interrupted));
            }
            let waited = self.clock().elapsed() - begun;
            for booting in all.iter_mut().filter(|booting| !booting.healthy) {
                self.wait_for(self.look_at_container(&docker, release, &built, booting, waited))?;
            }
            if all.iter().any(|booting| !booting.healthy) {
                self.clock().sleep(if waited < EAGER { LOOK_EAGER } else { LOOK });
            }
        }
        // What was warm says nothing of how long a boot takes.
        let ran = all.iter().filter_map(|booting| booting.ran).max().unwrap_or_default();
        if ran > JUST_STARTED {
            return Ok(Some("healthy".to_owned()));
        }
        let boot = Millis::from(self.clock().elapsed() - begun + ran);
        // A figure for the next forecast; the containers are healthy without it.
        let _ = self.state().measured(release, Measured::Boot, boot.0);
        Ok(Some(format!("healthy {boot} after its start")))
    }

    /// One look at one of them: fails when it ended or is out of time.
    async fn look_at_container(
        &self,
        docker: &Engine,
        release: &Release,
        built: &Built,
        booting: &mut Booting,
        waited: Duration,
    ) -> Result<(), Fault> {
        let there = docker.container(&booting.name).await?;
        let Some(there) = there else {
            return Err(Fault::machine(format!("the container {} was removed by somebody", booting.name)));
        };
        let now = self.clock().now();
        let ran = there.started.map(|started| now.since(started)).unwrap_or_default();
        booting.ran.get_or_insert(ran);
        let first = booting.ran.unwrap_or_default();
        // One that was warm may have been restarted in its life.
        let ended = there.state != State::Running && there.state != State::Created;
        let again = there.restarts > 0 && first < JUST_STARTED;
        if ended || again {
            return Err(self.failed_container(docker, release, booting, &there, waited).await);
        }
        booting.healthy = is_healthy(release, built, booting, &there, ran).await;
        if !booting.healthy && waited >= release.spec.health.start_period.duration() {
            return Err(self.failed_container(docker, release, booting, &there, waited).await);
        }
        Ok(())
    }

    /// Why a container did not become healthy, with its autopsy.
    async fn failed_container(
        &self,
        docker: &Engine,
        release: &Release,
        booting: &Booting,
        there: &Container,
        waited: Duration,
    ) -> Fault {
        self.keep_output(docker, release, &booting.row).await;
        let autopsy = landfall_shim::autopsy(self.container_evidence(booting, there, waited));
        let ended = there.state != State::Running || there.restarts > 0;
        let message = if ended {
            format!("a container of {} ended before it was healthy: {}", release.id, autopsy.cause)
        } else {
            let (waited, told) = (Millis::from(waited), booting.answers.told());
            format!("a container of {} was not healthy after {waited}{told}: {}", release.id, autopsy.cause)
        };
        let fault = Fault::application(message);
        match autopsy.advice.clone() {
            Some(advice) => fault.help(advice).autopsy(autopsy),
            None => fault.autopsy(autopsy),
        }
    }

    fn container_evidence(&self, booting: &Booting, there: &Container, waited: Duration) -> Evidence {
        let pids = there.pid.map(evidence::processes).unwrap_or_default();
        let lines = log::tail(&self.dir().instance(&booting.row.id), AUTOPSY_LINES).unwrap_or_default();
        Evidence {
            instance: booting.row.id.clone(),
            command: there.command.join(" "),
            expected: booting.row.address.clone(),
            exit: status::exit(there).filter(|_| there.state != State::Running || there.restarts > 0),
            restarts: there.restarts,
            waited_ms: Millis::from(waited).0,
            listeners: evidence::listeners(&pids),
            health: booting.last.clone().or_else(|| said(there)),
            log: lines.into_iter().map(|entry| (entry.stream, entry.line)).collect(),
            variables: there.variables.clone(),
            memory: evidence::memory(&pids),
            memory_limit: there.memory,
            container: true,
        }
    }
}

/// Whether it is healthy: by the manifest's path, else by the image's own check, else by a port that accepts; a worker
/// without a check by having stayed up.
async fn is_healthy(
    release: &Release,
    built: &Built,
    booting: &mut Booting,
    there: &Container,
    ran: Duration,
) -> bool {
    if there.state != State::Running {
        return false;
    }
    let checks_itself = built.checks_itself && release.spec.health.path.is_none();
    match &booting.row.address {
        _ if checks_itself => {
            // What was warm has been healthy for long.
            let warm = booting.ran.is_some_and(|ran| ran > JUST_STARTED);
            there.health == Some(Health::Healthy) && (warm || steady::is_believed(there))
        }
        Some(address) => loop {
            match health::check(address, &release.spec.health).await {
                Ok(()) if booting.answers.good() => break true,
                Ok(()) if booting.answers.hurries() => {}
                Ok(()) => break false,
                Err(answer) => {
                    booting.answers.bad();
                    booting.last = Some(answer);
                    break false;
                }
            }
        },
        None => release.spec.kind != Kind::Worker || ran >= release.spec.health.stable.duration(),
    }
}

/// What the image's own check said.
fn said(there: &Container) -> Option<HealthAnswer> {
    match &there.health {
        Some(Health::Unhealthy { output }) => Some(HealthAnswer::Broken {
            why: format!("the image's health check says: {}", output.lines().next().unwrap_or_default()),
        }),
        _ => steady::flaps(there).map(|why| HealthAnswer::Broken { why }),
    }
}
