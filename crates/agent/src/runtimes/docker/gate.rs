//! The test gate: commands in throwaway containers of the new image, with the environment's configuration, volumes that
//! are thrown away and a network of their own; all of it is removed whatever happens.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use landfall_docker::{Attachment, ContainerSpec, Engine, LogOptions, NetworkSpec, Networking};
use landfall_fx::host::{Note, Task};
use landfall_model::{Command, Exit, Fault, InstanceId, Kind, Millis, Release};
use landfall_shim::Redactor;

use super::build::stopped;
use super::container::{self, Given};
use super::record::Built;
use super::{names, owner};
use crate::host::LocalHost;
use crate::runtimes::process::environment::Variables;
use crate::runtimes::process::{Lines, TEST_TIMEOUT, how};
use crate::runtimes::releases::{disk, remove_folder};

/// What one run of the gate is made of.
struct Gate<'a> {
    host: &'a LocalHost,
    docker: Engine,
    release: &'a Release,
    built: Built,
    /// Of its containers and of its network.
    name: String,
    /// Where its volumes lie.
    scratch: PathBuf,
}

impl LocalHost {
    /// Runs the commands one after the other, each in a container of its own.
    pub(super) fn test_image(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        if release.spec.kind == Kind::Site {
            return Err(Fault::refused(format!(
                "`{}` is a site whose image holds nothing but files: no test can run in it",
                release.service()
            ))
            .help("let `build` run the tests: `build = \"npm test && npm run build\"`"));
        }
        let id = InstanceId::of(&release.app, &release.environment, &release.id, 0);
        let gate = Gate {
            host: self,
            docker: self.docker()?,
            release,
            built: self.built_before(release)?,
            name: format!(
                "{}-{}-{}-gate-{id}-{}",
                release.app,
                release.environment,
                release.service(),
                self.mark()
            ),
            scratch: self.dir().scratch().join(id.as_str()),
        };
        // An agent that was killed may have left some.
        gate.clear()?;
        let tested = gate.run(task);
        let cleared = gate.clear();
        tested.and(cleared).map(|()| None)
    }
}

impl Gate<'_> {
    fn clear(&self) -> Result<(), Fault> {
        self.host.wait_for(async {
            self.host.remove_made(&self.docker, &self.name).await?;
            let network = self.docker.network(&self.name).await?;
            if network.is_some_and(|network| network.carries(&self.labels())) {
                self.docker.remove_network(&self.name).await?;
            }
            Ok::<(), Fault>(())
        })?;
        remove_folder(&self.scratch)
    }

    /// The container that every command runs in, but for the command.
    fn container(&self, secrets: Variables) -> Result<ContainerSpec, Fault> {
        let (host, release) = (self.host, self.release);
        let volume = |volume: &str| self.scratch.join(volume);
        for name in release.spec.volumes.keys() {
            fs::create_dir_all(volume(name)).map_err(|e| disk(&self.scratch, "written", &e))?;
        }
        owner::own_folders(release, &self.built, release.spec.volumes.keys().map(|name| volume(name)))?;
        let files = host.secret_files(release)?;
        let given = Given {
            built: &self.built,
            mark: host.mark(),
            secrets,
            secret_files: &files,
            volume: &volume,
            user: owner::user_of(release, &self.built),
        };
        Ok(ContainerSpec {
            name: self.name.clone(),
            labels: self.labels(),
            // What is tested is a command, not what the image would start.
            entrypoint: Some(Vec::new()),
            network: Networking::Joined(Attachment {
                network: self.name.clone(),
                address: None,
                aliases: vec![release.service().to_string()],
            }),
            ..container::common(release, given)?
        })
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = names::of_place(&self.release.app, &self.release.environment, self.host.mark());
        labels.insert(names::GATE.to_owned(), self.release.id.to_string());
        labels
    }

    fn run(&self, task: &dyn Task) -> Result<(), Fault> {
        let secrets = self.host.secret_values(self.release)?;
        let redactor = Redactor::new(&secrets);
        let spec = self.container(secrets)?;
        let network = NetworkSpec { name: self.name.clone(), labels: self.labels(), internal: false };
        self.host.wait_for(self.docker.ensure_network(&network))?;
        for command in &self.release.spec.test {
            let spec = ContainerSpec { command: Some(container::words(command)), ..spec.clone() };
            let mut lines = Lines::new(task);
            let ended = self.host.wait_for(async {
                let running =
                    run(&self.docker, &spec, |stream, line| lines.line(stream, &redactor.redact(line)));
                tokio::select! {
                    ended = tokio::time::timeout(TEST_TIMEOUT, running) => {
                        ended.unwrap_or_else(|_| Err(over_time(command, TEST_TIMEOUT)))
                    }
                    fault = stopped(task, "the test gate") => Err(fault),
                }
            });
            lines.finish();
            let (code, oom) = ended?;
            if code != 0 || oom {
                let exit = Exit { code: Some(code), signal: None, oom, at: self.host.clock().now() };
                return Err(Fault::application(format!("the test gate `{command}` {}", how(&exit)))
                    .help("its last lines are above"));
            }
        }
        Ok(())
    }
}

fn over_time(command: &Command, limit: Duration) -> Fault {
    Fault::application(format!("`{command}` was ended after {}", Millis::from(limit)))
}

/// Runs a container to its end, and removes it. Gives its exit code, and whether it was ended for its memory.
pub(super) async fn run(
    docker: &Engine,
    spec: &ContainerSpec,
    mut line: impl FnMut(landfall_model::Stream, &str),
) -> Result<(i32, bool), Fault> {
    docker.create(spec).await?;
    docker.start(&spec.name).await?;
    let options = LogOptions { since: None, tail: None, follow: true };
    let mut lines = docker.logs(&spec.name, &options).await?;
    while let Some(next) = lines.next().await? {
        line(next.stream, &next.text);
    }
    let code = docker.wait(&spec.name).await?;
    let oom = docker.container(&spec.name).await?.is_some_and(|there| there.oom_killed);
    docker.remove(&spec.name).await?;
    Ok((code, oom))
}
