//! The agent's HTTP API: a file for each subject, and `calls.rs`, which lists what they offer.

mod access;
mod apps;
mod blobs;
mod calls;
mod disk;
mod exec;
mod images;
mod info;
mod logs;
mod services;
mod transactions;

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use landfall_model::{AppName, EnvironmentName, Fault, FaultKind};
use serde::Deserialize;

use crate::agent::Agent;

/// Of a refusal by the framework, the most bytes that are passed on.
const MAX_REFUSAL: usize = 16 * 1024;

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

/// The routes with their handlers.
pub(crate) fn router(agent: Arc<Agent>) -> axum::Router {
    calls::routes()
        .route(
            "/v1/openapi.json",
            axum::routing::get(async || ([(CONTENT_TYPE, "application/json")], openapi())),
        )
        .with_state(agent)
        .fallback(async || not_found("the agent has no such call; `GET /v1/openapi.json` lists them"))
        .layer(axum::middleware::map_response(as_fault))
}

/// Gives the framework's own refusals (a path, a query or a body that is none) the one form that failures have.
async fn as_fault(response: Response) -> Response {
    let status = response.status();
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !(status.is_client_error() || status.is_server_error()) || is_json {
        return response;
    }
    let said = axum::body::to_bytes(response.into_body(), MAX_REFUSAL).await.unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let message = if said.is_empty() { status.to_string() } else { said.into_owned() };
    let fault = if status.is_client_error() { Fault::usage(message) } else { Fault::internal(message) };
    Failure(status, fault).into_response()
}

/// The OpenAPI document as JSON.
///
/// # Panics
/// Never: an OpenAPI document always has a JSON form.
#[must_use]
pub fn openapi() -> String {
    calls::document().to_pretty_json().expect("an OpenAPI document has a JSON form")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use landfall_fx::StateDir;
    use tower::ServiceExt as _;

    use crate::agent::Notes;
    use crate::host::LocalHost;
    use crate::transactions::Transactions;

    async fn call(router: &axum::Router, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
        let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, "application/json");
        let answer =
            router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = axum::body::to_bytes(answer.into_body(), 1024 * 1024).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_else(|_| panic!("{path}: {bytes:?} is no JSON")))
    }

    #[tokio::test]
    async fn whatever_is_wrong_with_a_call_is_told_as_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        let dir = StateDir::open(folder.path()).unwrap();
        let secrets = dir.secrets_folder().to_owned();
        let program = std::env::current_exe().unwrap();
        let host = LocalHost::open(dir, program, tokio::runtime::Handle::current()).unwrap();
        let notes = Arc::new(Notes::default());
        let transactions = Transactions::new(Arc::clone(&host), Arc::clone(&notes));
        let router = router(Agent::new(host, transactions, notes).unwrap());
        let wrong = [
            ("GET", "/v1/nothing", "", 404),
            ("DELETE", "/v1/info", "", 405),
            ("GET", "/v1/apps/No%20Name/dev", "", 400),
            ("GET", "/v1/apps/a/dev/transactions?limit=many", "", 400),
            ("GET", "/v1/apps/a/dev/transactions/x/events", "", 400),
            ("GET", "/v1/apps/a/dev/transactions/7/events", "", 404),
            ("POST", "/v1/apps/a/dev/transactions/7/cancel", "", 404),
            ("POST", "/v1/apps/a/dev/transactions/7/undo", "", 409),
            ("POST", "/v1/apps/a/dev/transactions", "{", 400),
            ("POST", "/v1/blobs/missing", "{\"digests\": 1}", 422),
            ("POST", "/v1/blobs", "no frames", 400),
            ("POST", "/v1/images/a/web", "no archive", 500),
            ("POST", "/v1/images/A/web", "", 400),
            ("GET", "/v1/apps/a/dev/logs?services=A", "", 400),
            ("GET", "/v1/apps/a/dev/services/web/exec", "", 400),
        ];
        for (method, path, body, expected) in wrong {
            let (status, said) = call(&router, method, path, body).await;
            assert_eq!(status, expected, "{method} {path}: {said}");
            let fault: Fault = serde_json::from_value(said).unwrap();
            assert!(!fault.message.is_empty());
        }
        for path in ["/v1/apps/a/dev/transactions", "/v1/apps/a/dev/receipts?version=none", "/v1/apps"] {
            assert_eq!(call(&router, "GET", path, "").await, (200, serde_json::json!([])), "{path}");
        }
        std::fs::remove_dir_all(secrets).unwrap();
    }
}
