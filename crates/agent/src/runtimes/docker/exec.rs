//! A command in a container of a release, its streams as frames.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use landfall_docker::{Attachment, ContainerSpec, Engine, ExecSpec, Input, Networking, Output};
use landfall_model::api::ExecRequest;
use landfall_model::api::exec::Kind;
use landfall_model::{Fault, Release, Stream};
use tokio::io::AsyncRead;
use tokio::sync::mpsc;

use super::container::{self, Given};
use super::{names, owner};
use crate::background::flatten;
use crate::host::LocalHost;
use crate::runtimes::process::{Frame, read_frame};

/// Runs the command to its end or to that of the connection, in the first container that runs or in one of its own.
/// Gives its exit code.
pub(crate) async fn run(
    host: &Arc<LocalHost>,
    release: &Release,
    request: &ExecRequest,
    reader: &mut (impl AsyncRead + Unpin),
    frames: &mpsc::Sender<Frame>,
) -> Result<i32, Fault> {
    if !request.fresh {
        let (docker, container) = running(host, release).await?;
        return beside(&docker, &container, request, reader, frames).await;
    }
    let environment = environment(request);
    let (docker, mut spec) = fresh(host, release).await?;
    spec.command = Some(request.command.clone());
    spec.environment.extend(environment);
    (spec.tty, spec.stdin) = (request.terminal.is_some(), true);
    let name = spec.name.clone();
    let ended = async {
        docker.create(&spec).await?;
        if let Some(names) = host.names_of(&docker, &release.app, &release.environment).await? {
            let place = Attachment { network: names.name, address: None, aliases: Vec::new() };
            docker.join(&name, &place).await?;
        }
        let (mut input, output) = docker.attach(&name).await?;
        docker.start(&name).await?;
        if let Some((rows, columns)) = request.terminal {
            // A command that ended already has no terminal any more.
            let _ = input.resize(rows, columns).await;
        }
        talk(request, input, output, reader, frames).await
    };
    let ended = ended.await;
    let removed = host.take_away(&docker, &name).await;
    let code = ended?;
    removed.map(|()| code)
}

/// Runs the command in a container that runs.
pub(crate) async fn beside(
    docker: &Engine,
    container: &str,
    request: &ExecRequest,
    reader: &mut (impl AsyncRead + Unpin),
    frames: &mpsc::Sender<Frame>,
) -> Result<i32, Fault> {
    let wanted = ExecSpec {
        command: request.command.clone(),
        environment: environment(request),
        terminal: request.terminal,
        stdin: true,
        ..ExecSpec::default()
    };
    let (input, output) = docker.exec(container, &wanted).await?;
    talk(request, input, output, reader, frames).await
}

/// What a command is given beside what its container has.
fn environment(request: &ExecRequest) -> BTreeMap<String, String> {
    let terminal = request.terminal.map(|_| ("TERM".to_owned(), "xterm-256color".to_owned()));
    terminal.into_iter().collect()
}

/// Passes on what is typed and what is printed, until the command has ended or the client is gone.
async fn talk(
    request: &ExecRequest,
    mut input: Input,
    mut output: Output,
    reader: &mut (impl AsyncRead + Unpin),
    frames: &mpsc::Sender<Frame>,
) -> Result<i32, Fault> {
    let typing = listen(reader, &mut input);
    let printing = async {
        while let Some((stream, bytes)) = output.next().await? {
            let kind = match stream {
                Stream::Out => Kind::Stdout,
                Stream::Err => Kind::Stderr,
            };
            if frames.send((kind, bytes.to_vec())).await.is_err() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
        Ok(())
    };
    let ended: io::Result<()> = tokio::select! {
        biased;
        printed = printing => printed,
        gone = typing => Err(gone),
    };
    if let Err(error) = ended {
        // Nobody is there any more whom it could tell anything.
        output.kill().await?;
        let command = request.command.join(" ");
        return Err(Fault::machine(format!("`{command}` was cut off: {error}")));
    }
    output.exit_code().await
}

/// Takes in what the client sends, until it is gone: ends with the reason for it, and with nothing else.
async fn listen(reader: &mut (impl AsyncRead + Unpin), input: &mut Input) -> io::Error {
    loop {
        let done = match read_frame(reader).await {
            Ok((Kind::Stdin, typed)) if typed.is_empty() => input.close().await,
            // A command that closed its input ignores the rest.
            Ok((Kind::Stdin, typed)) => {
                let _ = input.send(&typed).await;
                Ok(())
            }
            Ok((Kind::Resize, size)) => {
                if let [a, b, c, d] = size[..] {
                    // A terminal whose command has just ended has no size any more.
                    let _ = input.resize(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])).await;
                }
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            return error;
        }
    }
}

/// The engine, and the container of its own that a command gets: with the volumes and the network of the release.
async fn fresh(host: &Arc<LocalHost>, release: &Release) -> Result<(Engine, ContainerSpec), Fault> {
    let (host, release) = (Arc::clone(host), release.clone());
    let made = tokio::task::spawn_blocking(move || {
        let docker = host.docker()?;
        let built = host.built_before(&release)?;
        let files = host.secret_files(&release)?;
        let mut labels = names::of_release(&release, host.mark());
        labels.insert(names::RUN.to_owned(), "1".to_owned());
        let network = host.wait_for(host.network_of(&docker, &release.app, &release.environment))?.name;
        let spec = container::common(
            &release,
            Given {
                built: &built,
                mark: host.mark(),
                secrets: host.secret_values(&release)?,
                secret_files: &files,
                volume: &|name| host.volume_path(&release, name),
                user: owner::user_of(&release, &built),
            },
        )?;
        let moment = host.clock().now().millis();
        let (app, environment, service) = (&release.app, &release.environment, release.service());
        let spec = ContainerSpec {
            name: format!("{app}-{environment}-{service}-run-{moment:x}"),
            labels,
            entrypoint: Some(Vec::new()),
            network: Networking::Joined(Attachment { network, address: None, aliases: Vec::new() }),
            ..spec
        };
        Ok((docker, spec))
    });
    flatten(made.await)
}

/// The engine, and the first container of a release that runs.
async fn running(host: &Arc<LocalHost>, release: &Release) -> Result<(Engine, String), Fault> {
    let (host, release) = (Arc::clone(host), release.clone());
    let found = tokio::task::spawn_blocking(move || {
        let docker = host.docker()?;
        for row in host.state().instances_of(&release)? {
            let name = names::container(&row);
            if host.wait_for(docker.container(&name))?.is_some_and(|there| there.is_running()) {
                return Ok((docker, name));
            }
        }
        Err(Fault::application(format!("no container of {} runs", release.id))
            .help("`landfall status` shows why; `landfall deploy` starts it"))
    });
    flatten(found.await)
}
