//! The agent itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use landfall_model::api::{FingerprintKey, Info};
use landfall_model::{Blame, Digest, Fault, FaultKind, Retry};

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

/// Gives what the proxy counts, as Prometheus reads it.
#[utoipa::path(get, path = "/v1/metrics",
    responses((status = 200, body = String, content_type = "text/plain"), (status = 409, body = Fault)))]
pub(crate) async fn metrics(State(agent): State<Arc<Agent>>) -> Answer<String> {
    agent.host.proxy().client().metrics().await.map_err(|error| {
        let fault = Fault::new(
            FaultKind::Refused,
            Blame::Machine,
            Retry::Safe,
            format!("the proxy counts nothing: {error}"),
        );
        fault.help("it runs as soon as something with a route is deployed").into()
    })
}

/// Gives the key that fingerprints of secrets are made with.
#[utoipa::path(get, path = "/v1/fingerprint-key", responses((status = 200, body = FingerprintKey)))]
pub(crate) async fn fingerprint_key(State(agent): State<Arc<Agent>>) -> Answer<Json<FingerprintKey>> {
    let key = blocking(move || agent.host.state().fingerprint_key()).await?;
    Ok(Json(FingerprintKey { key: Digest::Blake3(key).hex() }))
}
