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
        // As the first process of a container a program ignores the signals that it does not ask for, among them the one
        // it is stopped with. An image of somebody else's may have an init of its own.
        init: given.built.says_run,
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

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_model::Digest;
    use serde_json::json;

    fn release(more: &serde_json::Value) -> Release {
        let mut release = crate::runtimes::process::tests::release(&json!({
            "env": { "DATABASE": "sqlite:${volume.data}/g.db" },
            "volumes": { "data": "/data" },
            "secrets": ["TOKEN"],
            "run": "serve --port $PORT",
        }));
        let mut container = json!({ "image": { "from": "build", "dockerfile": { "kind": "generated" } } });
        let both = container.as_object_mut().unwrap();
        both.extend(more.as_object().unwrap().clone());
        release.spec.container = Some(serde_json::from_value(container).unwrap());
        release
    }

    fn made(release: &Release, says_run: bool) -> ContainerSpec {
        let mut built = Built::new(Digest::of(b"image"), None, 8000);
        built.says_run = says_run;
        let given = Given {
            built: &built,
            mark: "mark",
            secrets: [("TOKEN".to_owned(), "hush".to_owned())].into(),
            secret_files: Path::new("/dev/shm/files"),
            volume: &|name| Path::new("/state/volumes").join(name),
            user: Some("1000:1000".to_owned()),
        };
        common(release, given).unwrap()
    }

    #[test]
    fn it_has_its_own_environment_and_nothing_of_the_hosts() {
        let spec = made(&release(&json!({})), false);
        assert!(!spec.environment.contains_key("PATH") && !spec.environment.contains_key("HOME"));
        assert_eq!(spec.environment["DATABASE"], "sqlite:/data/g.db");
        assert_eq!(spec.environment["LANDFALL_VOLUME_DATA"], "/data");
        assert_eq!((&*spec.environment["HOST"], &*spec.environment["PORT"]), ("0.0.0.0", "8000"));
        assert_eq!(spec.environment["TOKEN"], "hush");
        assert_eq!(spec.mounts[0].source, Path::new("/state/volumes/data"));
        assert_eq!((spec.mounts.len(), spec.mounts[0].target.as_str()), (1, "/data"));
        assert_eq!(spec.user.as_deref(), Some("1000:1000"));
        assert!(spec.no_new_privileges);
    }

    #[test]
    fn what_the_image_says_already_is_not_said_again() {
        let release = release(&json!({ "user": "app" }));
        let line = ["/bin/sh", "-c", "serve --port $PORT"].map(str::to_owned).to_vec();
        assert_eq!(made(&release, false).command, Some(line));
        assert_eq!(made(&release, true).command, None);
        assert_eq!(made(&release, true).user.as_deref(), Some("app"));
    }

    #[test]
    fn secrets_as_files_are_in_no_environment() {
        let release = release(&json!({ "secrets_as": "files" }));
        assert_eq!(of(&release).unwrap().secrets_as, SecretsAs::Files);
        let spec = made(&release, false);
        assert!(spec.environment.values().all(|value| !value.contains("hush")));
        assert_eq!(spec.environment["TOKEN_FILE"], "/run/secrets/TOKEN");
        let files = &spec.mounts[1];
        assert_eq!((files.target.as_str(), files.read_only), (SECRETS, true));
    }
}
