//! A command in a container of a project.

use std::sync::Arc;

use landfall_docker::Engine;
use landfall_model::api::ExecRequest;
use landfall_model::{Fault, Release};
use tokio::io::AsyncRead;
use tokio::sync::mpsc;

use crate::background::flatten;
use crate::host::LocalHost;
use crate::runtimes::docker;
use crate::runtimes::process::Frame;

/// Runs the command to its end or to that of the connection, in the first container that runs of the part that is asked
/// for, else of the one that answers or is tested. Gives its exit code.
pub(crate) async fn run(
    host: &Arc<LocalHost>,
    release: &Release,
    request: &ExecRequest,
    reader: &mut (impl AsyncRead + Unpin),
    frames: &mpsc::Sender<Frame>,
) -> Result<i32, Fault> {
    if request.fresh {
        return Err(Fault::refused(
            "a compose project is one: there is no second instance of it for a command",
        )
        .help("`landfall exec` runs it beside what runs"));
    }
    let (host, release, part) = (Arc::clone(host), release.clone(), request.part.clone());
    let found = tokio::task::spawn_blocking(move || container(&host, &release, part.as_deref()));
    let (engine, container) = flatten(found.await)?;
    docker::exec::beside(&engine, &container, request, reader, frames).await
}

fn container(host: &LocalHost, release: &Release, part: Option<&str>) -> Result<(Engine, String), Fault> {
    let pinned = host.pinned_before(release)?;
    let mut names: Vec<String> = pinned.parts.keys().map(|name| format!("`{name}`")).collect();
    let only = || if pinned.parts.len() == 1 { pinned.parts.keys().next().cloned() } else { None };
    let wanted =
        part.map(str::to_owned).or_else(|| pinned.tested.clone()).or_else(only).ok_or_else(|| {
            Fault::usage("in which service of the compose project the command is to run is not said")
                .help(format!("`--part` names it: one of {}", names.join(", ")))
        })?;
    if !pinned.parts.contains_key(&wanted) {
        names.sort();
        return Err(Fault::usage(format!("the compose project has no service `{wanted}`"))
            .help(format!("it has {}", names.join(", "))));
    }
    let seen = host.seen(release)?;
    let runs = seen.iter().find(|one| one.part == wanted && one.container.is_running());
    let one = runs.ok_or_else(|| Fault::application(format!("no container of `{wanted}` runs")))?;
    Ok((host.docker()?, one.container.id.clone()))
}
