//! What a person does to the route of one service: maintenance and pause.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use landfall_model::api::{RouteView, Turn};
use landfall_model::{AppName, EnvironmentName, Fault, Release, ReleaseState, Route, ServiceName};
use serde::Deserialize;

use super::{Answer, blocking, not_found};
use crate::agent::Agent;

/// The service of a path; a name that is none is a usage fault.
#[derive(Debug, Deserialize)]
pub(crate) struct ServicePath {
    pub(crate) app: AppName,
    pub(crate) env: EnvironmentName,
    pub(crate) service: ServiceName,
}

/// Turns requests for a service away, or takes them again. Neither a deploy nor a restart of the proxy changes it.
#[utoipa::path(post, path = "/v1/apps/{app}/{env}/services/{service}/maintenance", request_body = Turn,
    params(("app" = String, Path), ("env" = String, Path), ("service" = String, Path)),
    responses((status = 200, body = RouteView), (status = 400, body = Fault), (status = 404, body = Fault)))]
pub(crate) async fn maintenance(
    State(agent): State<Arc<Agent>>,
    Path(path): Path<ServicePath>,
    Json(turn): Json<Turn>,
) -> Answer<Json<RouteView>> {
    let (release, route) = routed(&agent, path).await?;
    let known = agent.host.door(&route).set_maintenance(&release.route_id(), turn.on).await?;
    now(&agent, release, known).await
}

/// Holds the requests for a service, or lets them through. Neither a deploy nor a restart of the proxy changes it.
#[utoipa::path(post, path = "/v1/apps/{app}/{env}/services/{service}/pause", request_body = Turn,
    params(("app" = String, Path), ("env" = String, Path), ("service" = String, Path)),
    responses((status = 200, body = RouteView), (status = 400, body = Fault), (status = 404, body = Fault)))]
pub(crate) async fn pause(
    State(agent): State<Arc<Agent>>,
    Path(path): Path<ServicePath>,
    Json(turn): Json<Turn>,
) -> Answer<Json<RouteView>> {
    let (release, route) = routed(&agent, path).await?;
    let known = agent.host.door(&route).set_paused(&release.route_id(), turn.on).await?;
    now(&agent, release, known).await
}

/// The service's active release, and its route.
async fn routed(agent: &Arc<Agent>, path: ServicePath) -> Answer<(Release, Route)> {
    let release = active(agent, path).await?;
    match release.spec.route.clone() {
        Some(route) => Ok((release, route)),
        None => {
            let message = format!("no requests come to `{}`, which has no route", release.service());
            Err(Fault::usage(message).into())
        }
    }
}

/// The release of a service that serves.
pub(crate) async fn active(agent: &Arc<Agent>, path: ServicePath) -> Answer<Release> {
    let service = path.service.clone();
    let host = Arc::clone(&agent.host);
    let active = blocking(move || {
        let releases = host.state().releases(&path.app, &path.env)?;
        let active = releases
            .into_iter()
            .rfind(|known| known.state == ReleaseState::Active && *known.release.service() == path.service);
        Ok(active.map(|known| known.release))
    });
    active.await?.ok_or_else(|| not_found(format!("service `{service}` does not run here")))
}

/// The route as the proxy sees it after the call.
async fn now(agent: &Arc<Agent>, release: Release, known: bool) -> Answer<Json<RouteView>> {
    if !known {
        let message = format!("the proxy has no route for `{}`", release.service());
        return Err(Fault::machine(message).help("`landfall deploy` gives it one").into());
    }
    let host = Arc::clone(&agent.host);
    let view = blocking(move || host.route_of(&release)).await?;
    view.map(Json).ok_or_else(|| not_found("the route is gone"))
}
