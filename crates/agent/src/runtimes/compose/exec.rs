//! A command in a container of a project: beside what runs, or in one of its own.

use std::sync::Arc;
use std::time::Duration;

use landfall_docker::Engine;
use landfall_fx::host::Instances as _;
use landfall_model::api::ExecRequest;
use landfall_model::{Fault, Release};
use tokio::io::AsyncRead;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::pinned::Pinned;
use super::project::Project;
use crate::background::flatten;
use crate::host::LocalHost;
use crate::runtimes::docker;
use crate::runtimes::process::{Frame, run_program};

/// How long the container of a command that was cut off may take to be made …
const LATE: Duration = Duration::from_secs(30);
/// … and how often it is looked for.
const LATE_EVERY: Duration = Duration::from_millis(250);

/// Runs the command to its end or to that of the connection: in the first container that runs of the part that is asked
/// for, else of the one that answers or is tested; or in a container of that part which is made for it and goes with it.
/// Gives its exit code.
pub(crate) async fn run(
    host: &Arc<LocalHost>,
    release: &Release,
    request: &ExecRequest,
    reader: &mut (impl AsyncRead + Unpin),
    frames: &mpsc::Sender<Frame>,
) -> Result<i32, Fault> {
    let (their, of, asked) = (Arc::clone(host), release.clone(), request.clone());
    if !request.fresh {
        let found = tokio::task::spawn_blocking(move || container(&their, &of, asked.part.as_deref()));
        let (engine, container) = flatten(found.await)?;
        return docker::exec::beside(&engine, &container, request, reader, frames).await;
    }
    let made = tokio::task::spawn_blocking(move || once(&their, &of, &asked));
    let (engine, name, command) = flatten(made.await)?;
    let ended = run_program(command, request, reader, frames).await;
    let removed =
        if ended.is_ok() { engine.remove(&name).await.map(drop) } else { clear(&engine, &name).await };
    let code = ended?;
    removed.map(|()| code)
}

/// Removes the container of a command that was cut off: its client takes compose with it, which then removes nothing,
/// while the engine may still be making the container that compose asked for.
async fn clear(engine: &Engine, name: &str) -> Result<(), Fault> {
    let until = Instant::now() + LATE;
    while !engine.remove(name).await? && Instant::now() < until {
        sleep(LATE_EVERY).await;
    }
    Ok(())
}

/// The part that a command is for.
fn part_of(pinned: &Pinned, asked: Option<&str>) -> Result<String, Fault> {
    let mut names: Vec<String> = pinned.parts.keys().map(|name| format!("`{name}`")).collect();
    names.sort();
    let only = || if pinned.parts.len() == 1 { pinned.parts.keys().next().cloned() } else { None };
    let wanted =
        asked.map(str::to_owned).or_else(|| pinned.tested.clone()).or_else(only).ok_or_else(|| {
            Fault::usage("in which service of the compose project the command is to run is not said")
                .help(format!("`--part` names it: one of {}", names.join(", ")))
        })?;
    if pinned.parts.contains_key(&wanted) {
        return Ok(wanted);
    }
    Err(Fault::usage(format!("the compose project has no service `{wanted}`"))
        .help(format!("it has {}", names.join(", "))))
}

fn container(host: &LocalHost, release: &Release, part: Option<&str>) -> Result<(Engine, String), Fault> {
    let wanted = part_of(&host.pinned_before(release)?, part)?;
    let seen = host.seen(release)?;
    let runs = seen.iter().find(|one| one.part == wanted && one.container.is_running());
    let one = runs.ok_or_else(|| Fault::application(format!("no container of `{wanted}` runs")))?;
    Ok((host.docker()?, one.container.id.clone()))
}

/// The call of `docker compose run` for a command, and the name of the container that it makes: from the pinned image,
/// with the volumes, variables and secrets of its part and without its ports; nothing else is started for it.
fn once(
    host: &LocalHost,
    release: &Release,
    request: &ExecRequest,
) -> Result<(Engine, String, Command), Fault> {
    let pinned = host.pinned_before(release)?;
    if !host.is_running(release)? {
        return Err(Fault::application(format!("{} does not run", release.id)).help(
            "a command of its own gets the networks and volumes that the project has; deploy it first",
        ));
    }
    let part = part_of(&pinned, request.part.as_deref())?;
    let project = Project::open(host, release)?;
    let address = host.state().instances_of(release)?.into_iter().find_map(|row| row.address);
    let over = project.write_overlay(&pinned, address.as_deref())?;
    let name = format!("{}-{part}-run-{:x}", project.name, host.clock().now().millis());
    let mut flags = vec!["run", "--rm", "--no-deps", "--name", &name];
    if request.terminal.is_none() {
        flags.push("-T");
    }
    flags.push(&part);
    let words = project.call(&[&over]).words(&flags);
    let mut variables = project.variables();
    if request.terminal.is_some() {
        variables.entry("TERM".to_owned()).or_insert_with(|| "xterm-256color".to_owned());
    }
    let path = variables.get("PATH").map(String::as_str);
    let mut command = Command::new(crate::runtimes::process::find(&words[0], path));
    command.args(&words[1..]).args(&request.command);
    command.env_clear().envs(variables).current_dir(&project.folder);
    Ok((project.engine.clone(), name, command))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtimes::compose::pinned::PinnedPart;

    #[test]
    fn a_command_is_for_the_part_that_is_asked_for() {
        let of = |names: &[&str]| {
            Pinned::new(names.iter().map(|name| ((*name).to_owned(), PinnedPart::default())).collect())
        };
        let mut two = of(&["web", "db"]);
        assert_eq!(part_of(&two, Some("db")).unwrap(), "db");
        assert!(part_of(&two, None).unwrap_err().help.unwrap().contains("one of `db`, `web`"));
        assert!(part_of(&two, Some("dbx")).unwrap_err().help.unwrap().contains("it has `db`, `web`"));
        two.tested = Some("web".to_owned());
        assert_eq!(part_of(&two, None).unwrap(), "web");
        assert_eq!(part_of(&of(&["only"]), None).unwrap(), "only");
    }
}
