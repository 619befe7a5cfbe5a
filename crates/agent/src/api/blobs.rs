//! File contents on their way into the store.

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use landfall_artifact::frames;
use landfall_model::Fault;
use landfall_model::api::BlobList;
use landfall_oci::pieces;

use super::{Answer, blocking};
use crate::agent::Agent;

/// The most digests one call may ask for.
const MAX_DIGESTS: usize = 100_000;

/// The most bytes one stream of blobs may bring.
const MAX_STREAM: u64 = 8 * 1024 * 1024 * 1024;

/// Of a stream that was refused, the most bytes that are read on for the peer's sake.
const MAX_DROPPED: usize = 256 * 1024 * 1024;

/// Says which of these blobs are not in the store.
#[utoipa::path(post, path = "/v1/blobs/missing", request_body = BlobList,
    responses((status = 200, body = BlobList), (status = 400, body = Fault)))]
pub(crate) async fn missing(
    State(agent): State<Arc<Agent>>,
    Json(list): Json<BlobList>,
) -> Answer<Json<BlobList>> {
    if list.digests.len() > MAX_DIGESTS {
        return Err(Fault::usage(format!(
            "{} digests in one call; at most {MAX_DIGESTS}",
            list.digests.len()
        ))
        .into());
    }
    blocking(move || Ok(BlobList { digests: agent.host.store().missing(&list.digests) })).await.map(Json)
}

/// Takes blobs, each checked against its digest, in the frames of the artifact crate.
#[utoipa::path(post, path = "/v1/blobs", request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 204), (status = 400, body = Fault)))]
pub(crate) async fn put(State(agent): State<Arc<Agent>>, body: Body) -> Answer<StatusCode> {
    let (sender, mut reader) = pieces();
    let pump = async move {
        let mut body = body;
        let mut dropped = 0;
        while let Some(frame) = body.frame().await {
            let piece = frame.map_err(io::Error::other).map(|f| f.into_data().unwrap_or_default());
            let length = piece.as_ref().map_or(0, Bytes::len);
            // The receiver is gone when the stream was refused. The rest is read all the same: a peer whose writing
            // breaks would not come to read the answer that says why.
            if sender.send(piece).await.is_err() {
                dropped += length;
                if length == 0 || dropped > MAX_DROPPED {
                    return;
                }
            }
        }
    };
    let take =
        blocking(move || frames::receive(agent.host.store(), &mut reader, MAX_STREAM).map_err(Fault::from));
    let ((), taken) = tokio::join!(pump, take);
    taken.map(|_| StatusCode::NO_CONTENT)
}
