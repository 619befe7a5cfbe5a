//! What is deployed here.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use landfall_model::api::{Deployed, StatusView};
use landfall_model::{Fault, Observed};

use super::{Answer, PlacePath, blocking};
use crate::agent::Agent;

/// Lists the applications and environments of this host.
#[utoipa::path(get, path = "/v1/apps", responses((status = 200, body = Vec<Deployed>)))]
pub(crate) async fn list(State(agent): State<Arc<Agent>>) -> Answer<Json<Vec<Deployed>>> {
    blocking(move || agent.host.state().deployed()).await.map(Json)
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

/// Gives what a plan is made against.
#[utoipa::path(get, path = "/v1/apps/{app}/{env}/observed",
    params(("app" = String, Path), ("env" = String, Path)),
    responses((status = 200, body = Observed), (status = 400, body = Fault)))]
pub(crate) async fn observed(
    State(agent): State<Arc<Agent>>,
    Path(place): Path<PlacePath>,
) -> Answer<Json<Observed>> {
    let running = agent.transactions.is_running(&place.app, &place.env);
    let routes = agent.host.routes_now().await;
    blocking(move || agent.host.observe(&place.app, &place.env, running, &routes)).await.map(Json)
}
