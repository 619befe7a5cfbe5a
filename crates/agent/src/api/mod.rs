//! The agent's HTTP API: a file for each subject, the OpenAPI document out of the same declarations.

mod apps;
mod blobs;
mod exec;
mod info;
mod logs;
mod transactions;

use std::sync::Arc;

use axum::Json;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use landfall_model::{AppName, EnvironmentName, Fault, FaultKind};
use serde::Deserialize;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::agent::Agent;

/// The largest JSON body in bytes: a plan for 1,000 services has about 2 MB.
const MAX_JSON: usize = 64 * 1024 * 1024;

#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "Landfall agent",
    description = "The resident of a host: plans are submitted to it, it applies them and reads back what runs. \
                   HTTP/1.1 on a unix socket that only its owner can open."
))]
struct Document;

/// A handler's failure: a `Fault` with the status of its kind.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) StatusCode, pub(crate) Fault);

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let status = match fault.kind {
            FaultKind::Usage => StatusCode::BAD_REQUEST,
            FaultKind::Refused => StatusCode::CONFLICT,
            FaultKind::Internal | FaultKind::Failed | FaultKind::NeedsPerson | FaultKind::Interrupted => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self(status, fault)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

/// There is no such thing here.
pub(crate) fn not_found(message: impl Into<String>) -> Failure {
    Failure(StatusCode::NOT_FOUND, Fault::usage(message))
}

/// What a handler gives.
pub(crate) type Answer<T> = Result<T, Failure>;

/// The application and environment of a path; a name that is none is a usage fault.
#[derive(Debug, Deserialize)]
pub(crate) struct PlacePath {
    pub(crate) app: AppName,
    pub(crate) env: EnvironmentName,
}

/// Runs what blocks (the database, supervisors' sockets, the disk) outside of the runtime's one thread.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Answer<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Failure::from),
        Err(error) => Err(Fault::internal(format!("the agent failed inside: {error}")).into()),
    }
}

fn declared() -> OpenApiRouter<Arc<Agent>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(info::info))
        .routes(routes!(info::shutdown))
        .routes(routes!(info::fingerprint_key))
        .routes(routes!(blobs::missing))
        .routes(routes!(apps::list))
        .routes(routes!(apps::status))
        .routes(routes!(apps::observed))
        .routes(routes!(transactions::submit, transactions::history))
        .routes(routes!(transactions::events))
        .routes(routes!(transactions::cancel))
        .routes(routes!(transactions::resume))
        .routes(routes!(transactions::undo))
        .routes(routes!(transactions::receipts))
        .routes(routes!(logs::logs))
        .routes(routes!(exec::exec))
        .layer(DefaultBodyLimit::max(MAX_JSON))
        // Blobs come as one long stream with a limit of its own.
        .merge(OpenApiRouter::new().routes(routes!(blobs::put)).layer(DefaultBodyLimit::disable()))
}

/// The routes with their handlers.
pub(crate) fn router(agent: Arc<Agent>) -> axum::Router {
    let (router, document) = declared().split_for_parts();
    router
        .route("/v1/openapi.json", axum::routing::get(async || Json(document)))
        .with_state(agent)
        .fallback(async || not_found("the agent has no such call; `GET /v1/openapi.json` lists them"))
}

/// The OpenAPI document as JSON.
///
/// # Panics
/// Never: an OpenAPI document always has a JSON form.
#[must_use]
pub fn openapi() -> String {
    declared().into_openapi().to_pretty_json().expect("an OpenAPI document has a JSON form")
}
