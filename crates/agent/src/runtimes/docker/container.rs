//! The container of an instance, from its release: what it runs, what it is given, what it may do. Pure.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use landfall_docker::{Attachment, ContainerSpec, Mount, Networking, Restart};
use landfall_model::{Command, Container, Fault, Release, SecretsAs};

use super::names;
use super::record::Built;
use crate::runtimes::process::environment::{self, Additions, Variables};
use crate::state::InstanceRow;

/// Where files with secrets lie inside, as compose has it.
pub(super) const SECRETS: &str = "/run/secrets";

/// What a container is made from beside its release.
pub(super) struct Given<'a> {
    pub(super) built: &'a Built,
    pub(super) mark: &'a str,
    /// The values of its secrets.
    pub(super) secrets: Variables,
    /// The folder of the host with a file for each secret, where files are asked for.
    pub(super) secret_files: &'a Path,
    /// The folder of the host for a volume.
    pub(super) volume: &'a dyn Fn(&str) -> PathBuf,
    /// Who it is to run as, where neither manifest nor image decide.
    pub(super) user: Option<String>,
}

/// The container of a release's service.
pub(super) fn of(release: &Release) -> Result<&Container, Fault> {
    release.spec.container.as_ref().ok_or_else(|| {
        Fault::internal(format!("{} runs in a container, and nothing is said of it", release.id))
    })
}

/// The container of an instance, in the application's network.
pub(super) fn instance(
    release: &Release,
    row: &InstanceRow,
    given: Given<'_>,
) -> Result<ContainerSpec, Fault> {
    let mut labels = names::of_release(release, given.mark);
    labels.insert(names::INSTANCE.to_owned(), row.id.to_string());
    let network = names::network(&row.app, &row.environment, given.mark);
    let spec = common(release, given)?;
    let mut environment = spec.environment;
    environment.insert("LANDFALL_INSTANCE".to_owned(), row.id.to_string());
    Ok(ContainerSpec {
        name: names::container(row),
        environment,
        labels,
        hostname: Some(format!("{}-{}", release.service(), row.ordinal)),
        network: Networking::Joined(Attachment { network, address: address(row), aliases: Vec::new() }),
        restart: Restart::UnlessStopped,
        stop_signal: Some(format!("SIG{}", release.spec.stop.signal)),
        stop_grace: Some(release.spec.stop.grace),
        ..spec
    })
}

/// The address of an instance in the network, without its port.
pub(super) fn address(row: &InstanceRow) -> Option<Ipv4Addr> {
    row.address.as_ref()?.rsplit_once(':')?.0.parse().ok()
}

/// What instances and the test gate have in common; the command is the image's, unless Landfall did not write it there.
pub(super) fn common(release: &Release, given: Given<'_>) -> Result<ContainerSpec, Fault> {
    let container = of(release)?;
    let spec = &release.spec;
    let mut environment = variables(release, given.built.port)?;
    let mut mounts: Vec<Mount> = spec
        .volumes
        .iter()
        .map(|(name, target)| Mount {
            source: (given.volume)(name),
            target: target.clone(),
            read_only: false,
        })
        .collect();
    match container.secrets_as {
        SecretsAs::Env => environment.extend(given.secrets),
        SecretsAs::Files if given.secrets.is_empty() => {}
        SecretsAs::Files => {
            let source = given.secret_files.to_owned();
            mounts.push(Mount { source, target: SECRETS.to_owned(), read_only: true });
            let files = given.secrets.into_keys();
            environment.extend(files.map(|name| (format!("{name}_FILE"), format!("{SECRETS}/{name}"))));
        }
    }
    let run = spec.run.as_ref().filter(|_| !given.built.says_run);
    Ok(ContainerSpec {
        image: given.built.image.to_string(),
        command: run.map(words),
        environment,
        user: container.user.clone().or(given.user),
        mounts,
        tmpfs: container.tmpfs.clone(),
        memory: spec.limits.memory,
        cpus: container.cpus,
        pids: container.pids,
        files: spec.limits.files,
        read_only: container.read_only,
        cap_drop: container.cap_drop.clone(),
        cap_add: container.cap_add.clone(),
        no_new_privileges: true,
        ..ContainerSpec::default()
    })
}

/// A command as an engine takes it: a shell line goes to the image's shell.
pub(super) fn words(command: &Command) -> Vec<String> {
    match command {
        Command::Line(line) => ["/bin/sh", "-c", line].map(str::to_owned).to_vec(),
        Command::Words(words) => words.clone(),
    }
}

/// The environment inside, without secrets: nothing of the host's own.
fn variables(release: &Release, port: u16) -> Result<Variables, Fault> {
    let inside = |name: &str| release.spec.volumes.get(name).map(PathBuf::from).unwrap_or_default();
    let mut variables = environment::of_release(release, BTreeMap::new(), &Additions::default(), &inside)?;
    // The image knows where its programs are.
    if variables.get("PATH").is_some_and(String::is_empty) {
        variables.remove("PATH");
    }
    environment::with_address(&mut variables, &format!("0.0.0.0:{port}"));
    Ok(variables)
}
