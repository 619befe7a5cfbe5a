//! What takes what.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use landfall_model::Fault;
use landfall_model::api::{DiskView, Prune, Pruned};

use super::{Answer, blocking};
use crate::agent::Agent;
use crate::housekeeping::collect_once;

/// Says what takes what on this host: Landfall's things and the Docker engine's.
#[utoipa::path(get, path = "/v1/disk",
    responses((status = 200, body = DiskView), (status = 500, body = Fault)))]
pub(crate) async fn disk(State(agent): State<Arc<Agent>>) -> Answer<Json<DiskView>> {
    blocking(move || agent.host.disk_view()).await.map(Json)
}

/// Takes away what nothing needs: only what Landfall made, and what is older than an hour; and the volumes that are named,
/// all of them or none, each of which no release may need.
#[utoipa::path(post, path = "/v1/disk/prune", request_body = Option<Prune>,
    responses((status = 200, body = Pruned), (status = 409, body = Fault), (status = 500, body = Fault)))]
pub(crate) async fn prune(
    State(agent): State<Arc<Agent>>,
    asked: Option<Json<Prune>>,
) -> Answer<Json<Pruned>> {
    let volumes = asked.map(|Json(asked)| asked.volumes).unwrap_or_default();
    blocking(move || {
        let mut pruned = agent.host.remove_volumes(&volumes, &agent.transactions.exclusive())?;
        pruned.add(collect_once(&agent)?);
        Ok(pruned)
    })
    .await
    .map(Json)
}
