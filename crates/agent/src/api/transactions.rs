//! Plans in, events and receipts out.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use landfall_model::api::{Accepted, HistoryLine, Submission};
use landfall_model::{AppName, EnvironmentName, Fault, Receipt, ServiceName, TransactionId};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{Answer, PlacePath, blocking};
use crate::agent::Agent;
use crate::state::TransactionRow;
use crate::transactions::Recovery;

/// The media type of a stream of JSON objects, one a line.
pub(crate) const NDJSON: &str = "application/x-ndjson";

/// Batches of events waiting for a slow reader.
const EVENT_QUEUE: usize = 16;

/// The most transactions that one call of `history` gives.
const MAX_HISTORY: u32 = 1_000;

#[derive(Debug, Deserialize)]
pub(crate) struct TransactionPath {
    app: AppName,
    env: EnvironmentName,
    n: u64,
}

impl TransactionPath {
    fn row(self) -> TransactionRow {
        TransactionRow { app: self.app, environment: self.env, number: TransactionId(self.n) }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Limit {
    limit: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct After {
    after: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    version: Option<String>,
    service: Option<ServiceName>,
}

/// Applies a plan: checks it against the place, then begins. Its events tell how it goes.
#[utoipa::path(post, path = "/v1/apps/{app}/{env}/transactions",
    params(("app" = String, Path), ("env" = String, Path)), request_body = Submission,
    responses((status = 202, body = Accepted), (status = 409, body = Fault)))]
pub(crate) async fn submit(
    State(agent): State<Arc<Agent>>,
    Path(place): Path<PlacePath>,
    Json(submission): Json<Submission>,
) -> Answer<(StatusCode, Json<Accepted>)> {
    let accepted = blocking(move || {
        if (&submission.plan.app, &submission.plan.environment) != (&place.app, &place.env) {
            return Err(Fault::usage("the plan is for another application or environment than its address"));
        }
        agent.transactions.submit(submission)
    })
    .await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

/// Lists transactions, the newest first.
#[utoipa::path(get, path = "/v1/apps/{app}/{env}/transactions",
    params(("app" = String, Path), ("env" = String, Path), ("limit" = Option<u32>, Query)),
    responses((status = 200, body = Vec<HistoryLine>)))]
pub(crate) async fn history(
    State(agent): State<Arc<Agent>>,
    Path(place): Path<PlacePath>,
    Query(query): Query<Limit>,
) -> Answer<Json<Vec<HistoryLine>>> {
    let limit = query.limit.unwrap_or(50).min(MAX_HISTORY);
    blocking(move || agent.host.state().history(&place.app, &place.env, limit)).await.map(Json)
}

/// Streams the events of a transaction as lines of JSON, those that were and those to come, until it ends.
#[utoipa::path(get, path = "/v1/apps/{app}/{env}/transactions/{n}/events",
    params(("app" = String, Path), ("env" = String, Path), ("n" = u64, Path), ("after" = Option<u64>, Query)),
    responses((status = 200, body = landfall_model::Stamped, content_type = "application/x-ndjson"), (status = 404, body = Fault)))]
pub(crate) async fn events(
    State(agent): State<Arc<Agent>>,
    Path(path): Path<TransactionPath>,
    Query(query): Query<After>,
) -> Answer<Response> {
    let mut after = query.after.unwrap_or(0);
    let log =
        blocking(move || agent.transactions.events(&path.app, &path.env, TransactionId(path.n))).await?;
    let Some(log) = log else {
        return Err(super::not_found(format!("there is no transaction #{} here", path.n)));
    };
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::convert::Infallible>>(EVENT_QUEUE);
    tokio::spawn(async move {
        let mut newest = log.watch();
        loop {
            newest.borrow_and_update();
            let (events, ended) = log.after(after);
            let mut lines = Vec::new();
            for stamped in &events {
                after = stamped.seq;
                // An event always has a JSON form; one that had none would be left out.
                if serde_json::to_writer(&mut lines, stamped).is_ok() {
                    lines.push(b'\n');
                }
            }
            if !lines.is_empty() && sender.send(Ok(lines.into())).await.is_err() {
                return;
            }
            if ended || newest.changed().await.is_err() {
                return;
            }
        }
    });
    Ok(([(CONTENT_TYPE, NDJSON)], Body::from_stream(ReceiverStream::new(receiver))).into_response())
}

/// Asks a running transaction to stop before its next step; the journal stays, for `resume` or `undo`.
#[utoipa::path(post, path = "/v1/apps/{app}/{env}/transactions/{n}/cancel",
    params(("app" = String, Path), ("env" = String, Path), ("n" = u64, Path)),
    responses((status = 202), (status = 404, body = Fault)))]
pub(crate) async fn cancel(
    State(agent): State<Arc<Agent>>,
    Path(path): Path<TransactionPath>,
) -> Answer<StatusCode> {
    if agent.transactions.cancel(&path.app, &path.env, TransactionId(path.n)) {
        Ok(StatusCode::ACCEPTED)
    } else {
        Err(super::not_found(format!("transaction #{} is not under way", path.n)))
    }
}

async fn recover(
    agent: Arc<Agent>,
    path: TransactionPath,
    how: Recovery,
) -> Answer<(StatusCode, Json<Accepted>)> {
    let accepted =
        blocking(move || agent.transactions.recover(&path.app, &path.env, TransactionId(path.n), how))
            .await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

/// Finishes an interrupted transaction.
#[utoipa::path(post, path = "/v1/apps/{app}/{env}/transactions/{n}/resume",
    params(("app" = String, Path), ("env" = String, Path), ("n" = u64, Path)),
    responses((status = 202, body = Accepted), (status = 409, body = Fault)))]
pub(crate) async fn resume(
    State(agent): State<Arc<Agent>>,
    Path(path): Path<TransactionPath>,
) -> Answer<(StatusCode, Json<Accepted>)> {
    recover(agent, path, Recovery::Resume).await
}

/// Takes an interrupted transaction back.
#[utoipa::path(post, path = "/v1/apps/{app}/{env}/transactions/{n}/undo",
    params(("app" = String, Path), ("env" = String, Path), ("n" = u64, Path)),
    responses((status = 202, body = Accepted), (status = 409, body = Fault)))]
pub(crate) async fn undo(
    State(agent): State<Arc<Agent>>,
    Path(path): Path<TransactionPath>,
) -> Answer<(StatusCode, Json<Accepted>)> {
    recover(agent, path, Recovery::Undo).await
}

/// Ends a canary before its time: all requests go to the new release, and what is left of it is not judged.
#[utoipa::path(post, path = "/v1/apps/{app}/{env}/transactions/{n}/promote",
    params(("app" = String, Path), ("env" = String, Path), ("n" = u64, Path)),
    responses((status = 202, body = Accepted), (status = 409, body = Fault)))]
pub(crate) async fn promote(
    State(agent): State<Arc<Agent>>,
    Path(path): Path<TransactionPath>,
) -> Answer<(StatusCode, Json<Accepted>)> {
    let accepted = blocking(move || agent.transactions.promote(&path.row())).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

/// Takes a transaction back now, one that runs or one that was interrupted.
#[utoipa::path(post, path = "/v1/apps/{app}/{env}/transactions/{n}/abort",
    params(("app" = String, Path), ("env" = String, Path), ("n" = u64, Path)),
    responses((status = 202, body = Accepted), (status = 409, body = Fault)))]
pub(crate) async fn abort(
    State(agent): State<Arc<Agent>>,
    Path(path): Path<TransactionPath>,
) -> Answer<(StatusCode, Json<Accepted>)> {
    let accepted = blocking(move || agent.transactions.abort(&path.row())).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

/// Gives the receipts of the newest transaction, or of a version.
#[utoipa::path(get, path = "/v1/apps/{app}/{env}/receipts",
    params(("app" = String, Path), ("env" = String, Path), ("version" = Option<String>, Query),
        ("service" = Option<String>, Query)),
    responses((status = 200, body = Vec<Receipt>)))]
pub(crate) async fn receipts(
    State(agent): State<Arc<Agent>>,
    Path(place): Path<PlacePath>,
    Query(which): Query<Which>,
) -> Answer<Json<Vec<Receipt>>> {
    blocking(move || {
        agent.host.state().receipts(&place.app, &place.env, which.version.as_deref(), which.service.as_ref())
    })
    .await
    .map(Json)
}
