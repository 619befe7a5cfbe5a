//! What is deployed here.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use landfall_model::api::{Deployed, StatusView};
use landfall_model::{Fault, Observed};
use serde::Deserialize;

use super::{Answer, PlacePath, blocking};
use crate::agent::Agent;

/// Lists the applications and environments of which something is on this host.
#[utoipa::path(get, path = "/v1/apps", responses((status = 200, body = Vec<Deployed>)))]
pub(crate) async fn list(State(agent): State<Arc<Agent>>) -> Answer<Json<Vec<Deployed>>> {
    blocking(move || agent.host.state().present()).await.map(Json)
}

/// Shows an application in an environment: releases, instances, routes, an open transaction.
#[utoipa::path(get, path = "/v1/apps/{app}/{env}",
    params(("app" = String, Path), ("env" = String, Path)),
    responses((status = 200, body = StatusView), (status = 400, body = Fault)))]
pub(crate) async fn status(
    State(agent): State<Arc<Agent>>,
    Path(place): Path<PlacePath>,
) -> Answer<Json<StatusView>> {
    let running = agent.transactions.is_running(&place.app, &place.env);
    blocking(move || agent.host.status_view(&place.app, &place.env, running)).await.map(Json)
}

/// Compose projects that are looked at for one plan, at most.
const MAX_PROJECTS: usize = 100;

/// What is looked at beside the application itself.
#[derive(Debug, Deserialize)]
pub(crate) struct ObservedQuery {
    /// Names of compose projects, with commas between them.
    projects: Option<String>,
}

/// Gives what a plan is made against.
#[utoipa::path(get, path = "/v1/apps/{app}/{env}/observed",
    params(("app" = String, Path), ("env" = String, Path), ("projects" = Option<String>, Query)),
    responses((status = 200, body = Observed), (status = 400, body = Fault)))]
pub(crate) async fn observed(
    State(agent): State<Arc<Agent>>,
    Path(place): Path<PlacePath>,
    Query(query): Query<ObservedQuery>,
) -> Answer<Json<Observed>> {
    let running = agent.transactions.is_running(&place.app, &place.env);
    let routes = agent.host.routes_now().await;
    blocking(move || {
        let named = query.projects.unwrap_or_default();
        let named: Vec<String> =
            named.split(',').filter(|name| !name.is_empty()).take(MAX_PROJECTS).map(str::to_owned).collect();
        let projects = agent.host.observed_projects(&named)?;
        Ok(Observed { projects, ..agent.host.observe(&place.app, &place.env, running, &routes)? })
    })
    .await
    .map(Json)
}
