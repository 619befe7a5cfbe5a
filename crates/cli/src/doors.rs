//! What a person turns on and off at the doors of services: maintenance and pause.

use std::process::ExitCode;

use landfall_model::api::{RouteView, StatusView};
use landfall_model::{Fault, HoldLimits, ServiceName};

use crate::failure::Failure;
use crate::project::Project;
use crate::session::{Session, block_on};
use crate::settings::Settings;

/// What is turned, and whether on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Turned {
    /// Requests are turned away.
    Maintenance(bool),
    /// Requests wait.
    Pause(bool),
}

/// Turns it for the services that `words` mean, all that have a route when none is named; says what is so now, one by
/// one.
pub(crate) fn turn(
    settings: &Settings,
    words: &[String],
    turned: Turned,
    say: impl Fn(&RouteView, &HoldLimits) -> String,
) -> Result<ExitCode, Failure> {
    let project = Project::of_running(settings, words)?;
    block_on(async {
        let session = Session::open(&project).await?;
        let status = session.app().status().await?;
        for service in meant(&project, &status)? {
            let app = session.app();
            let route = match turned {
                Turned::Maintenance(on) => app.set_maintenance(&service, on).await?,
                Turned::Pause(on) => app.set_paused(&service, on).await?,
            };
            let text = say(&route, &limits(&status, &service));
            settings.show_noun(&route, |out, _| writeln!(out, "{text}"))?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn meant(project: &Project, status: &StatusView) -> Result<Vec<ServiceName>, Fault> {
    if !project.selection.services.is_empty() {
        return Ok(project.selection.services.clone());
    }
    if status.routes.is_empty() {
        let place = format!("{} in {}", project.app(), project.environment());
        return Err(Fault::refused(format!("no service of {place} has a route"))
            .help(format!("`landfall deploy{}` brings it up", project.selection.argument())));
    }
    Ok(status.routes.iter().map(|route| route.service.clone()).collect())
}

/// What may be held of a service's requests.
fn limits(status: &StatusView, service: &ServiceName) -> HoldLimits {
    let observed = status.observed.services.get(service);
    let release = observed.and_then(|observed| {
        let known =
            observed.releases.iter().find(|known| Some(&known.release.id) == observed.active.as_ref())?;
        known.release.spec.route.as_ref()
    });
    release.map(|route| route.hold.clone()).unwrap_or_default()
}
