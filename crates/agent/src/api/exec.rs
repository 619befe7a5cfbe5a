//! A command in the environment of a service's active release, over an upgraded connection.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, UPGRADE};
use axum::response::Response;
use hyper_util::rt::TokioIo;
use landfall_model::Fault;

use super::Answer;
use super::services::{ServicePath, active};
use crate::agent::Agent;
use crate::runtimes::process::exec_session;

/// The protocol that the connection is upgraded to.
const PROTOCOL: &str = "landfall-exec";

/// Upgrades the connection to frames (`model::api::exec`): the first one asks for the command.
#[utoipa::path(get, path = "/v1/apps/{app}/{env}/services/{service}/exec",
    params(("app" = String, Path), ("env" = String, Path), ("service" = String, Path)),
    responses((status = 101, description = "frames both ways"), (status = 404, body = Fault)))]
pub(crate) async fn exec(
    State(agent): State<Arc<Agent>>,
    Path(path): Path<ServicePath>,
    mut request: Request,
) -> Answer<Response> {
    let asked = request.headers().get(UPGRADE).is_some_and(|value| value == PROTOCOL);
    if !asked {
        return Err(Fault::usage(format!("this call wants `Upgrade: {PROTOCOL}`")).into());
    }
    let release = active(&agent, path).await?;
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            exec_session(agent.host.clone(), release, TokioIo::new(upgraded)).await;
        }
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(CONNECTION, "upgrade")
        .header(UPGRADE, PROTOCOL)
        .body(Body::empty())
        .map_err(|e| Fault::internal(e.to_string()).into())
}
