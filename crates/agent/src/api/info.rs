//! The agent itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use landfall_model::api::{FingerprintKey, Info};
use landfall_model::{Digest, Fault};

use super::{Answer, blocking};
use crate::agent::Agent;

/// Says who the agent is and how it does.
#[utoipa::path(get, path = "/v1/info", responses((status = 200, body = Info)))]
pub(crate) async fn info(State(agent): State<Arc<Agent>>) -> Json<Info> {
    Json(agent.info().await)
}

/// Ends the agent; proxy and instances go on. Refused while a transaction runs.
#[utoipa::path(post, path = "/v1/shutdown", responses((status = 202), (status = 409, body = Fault)))]
pub(crate) async fn shutdown(State(agent): State<Arc<Agent>>) -> Answer<StatusCode> {
    match agent.transactions.running() {
        0 => {
            agent.ending.notify_one();
            Ok(StatusCode::ACCEPTED)
        }
        running => Err(Fault::refused(format!("the agent is at work: {running} transactions under way"))
            .help("wait for their end: `landfall status` shows them")
            .into()),
    }
}

/// Gives the key that fingerprints of secrets are made with.
#[utoipa::path(get, path = "/v1/fingerprint-key", responses((status = 200, body = FingerprintKey)))]
pub(crate) async fn fingerprint_key(State(agent): State<Arc<Agent>>) -> Answer<Json<FingerprintKey>> {
    let key = blocking(move || agent.host.state().fingerprint_key()).await?;
    Ok(Json(FingerprintKey { key: Digest::Blake3(key).hex() }))
}
