//! A compose project that the manifest names: who has it already, and what becomes of the containers that run in it.

use landfall_model::{Fault, Forecast, Observed, ObservedProject, Pause, ProjectOwner, Release, ServicePlan};

use crate::forecast::UNMEASURED_MS;
use crate::moves::Move;

/// The project that a release names, as it was observed.
fn named<'a>(release: &Release, observed: &'a Observed) -> Option<&'a ObservedProject> {
    let name = release.spec.compose.as_ref()?.project.as_ref()?;
    observed.projects.iter().find(|known| known.name == *name)
}

/// Refuses a project that another service has: each would take the other's containers away.
pub(crate) fn refuse_owned(new: &Release, observed: &Observed) -> Result<(), Fault> {
    let Some(project) = named(new, observed) else { return Ok(()) };
    let refused = |holder: String| {
        let what =
            format!("`{}` cannot have the compose project `{}`: {holder}", new.service(), project.name);
        Fault::refused(what).help("name another `project`, or take that one down first")
    };
    if let Some(owner) = project.owners.iter().find(|owner| !is_of(owner, new)) {
        let ProjectOwner { app, environment, service } = owner;
        return Err(refused(format!("service `{service}` of `{app}` in `{environment}` has it")));
    }
    match project.foreign.first() {
        Some(container) => Err(refused(format!("{container} in it is of another agent on this machine"))),
        None => Ok(()),
    }
}

fn is_of(owner: &ProjectOwner, release: &Release) -> bool {
    (&owner.app, &owner.environment, &owner.service)
        == (&release.app, &release.environment, release.service())
}

/// Adds to a line what becomes of containers that nobody deployed.
pub(crate) fn foresee(line: &mut ServicePlan, shift: &Move<'_>, observed: &Observed) {
    if let Some(left) = shift.old.and_then(Release::project)
        && let Some(new) = shift.new.project()
        && left != new
    {
        line.notes.push(format!(
            "moves from the compose project `{left}` to `{new}`; the volumes of `{left}` stay where they are, and are not those of `{new}`"
        ));
    }
    let Some(project) = named(&shift.new, observed).filter(|project| !project.found.is_empty()) else {
        return;
    };
    let count = project.found.len();
    let volumes = match project.volumes.as_slice() {
        [] => String::new(),
        [one] => format!("; its volume {one} stays"),
        several => format!("; its volumes stay: {}", several.join(", ")),
    };
    line.notes.push(format!(
        "takes over the compose project `{}`: compose makes {} anew{volumes}",
        project.name,
        project.found.join(", ")
    ));
    line.notes.push(match project.files.as_slice() {
        [] => "should the deploy fail, what runs now cannot be brought back: the files that it was started from are not on \
               the host"
            .to_owned(),
        files => format!("should the deploy fail, what runs now is brought back from {}", files.join(", ")),
    });
    if shift.old.is_none() {
        let which = if count == 1 { "container that runs" } else { "containers that run" };
        line.forecast = Forecast {
            pause: Pause::Down,
            pause_ms: UNMEASURED_MS,
            reason: format!(
                "docker compose replaces the {which} in `{}`; no measured boot yet",
                project.name
            ),
        };
    }
}
