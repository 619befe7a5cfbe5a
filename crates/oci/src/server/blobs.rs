//! Blobs: whether they are there, their bytes or a stretch of them, and that a repository no longer has one.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use landfall_model::Digest;

use super::range::{Wanted, wanted};
use super::refusal::{Code, Refusal};
use super::{Answer, Registry, blocking, empty};
use crate::name::Repository;
use crate::store::Blob;

pub(super) async fn head(registry: &Arc<Registry>, repository: Repository, digest: Digest) -> Answer {
    let blob = open(registry, repository, digest).await?;
    let response = empty(StatusCode::OK, described(&blob));
    Ok(with_length(response, blob.size()))
}

pub(super) async fn get(
    registry: &Arc<Registry>,
    repository: Repository,
    digest: Digest,
    headers: &HeaderMap,
) -> Answer {
    let blob = open(registry, repository, digest).await?;
    let header = headers.get(RANGE).and_then(|value| value.to_str().ok());
    let (facts, size) = (described(&blob), blob.size());
    let (status, range) = match wanted(header, size) {
        Wanted::All => (StatusCode::OK, 0..size),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Nothing => {
            let refusal = Refusal::new(Code::RangeInvalid, format!("the blob has {size} bytes"));
            return Err(refusal.header("content-range", &format!("bytes */{size}")));
        }
    };
    let mut response = with_length(empty(status, facts), range.end - range.start);
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        response.headers_mut().extend(text.parse().map(|value| (CONTENT_RANGE, value)));
    }
    *response.body_mut() = Body::from_stream(blob.read(range).stream());
    Ok(response)
}

pub(super) async fn delete(registry: &Arc<Registry>, repository: Repository, digest: Digest) -> Answer {
    let images = registry.images.clone();
    blocking(move || images.forget_blob(&repository, &digest)).await?;
    Ok(empty(StatusCode::ACCEPTED, []))
}

async fn open(registry: &Arc<Registry>, repository: Repository, digest: Digest) -> Result<Blob, Refusal> {
    let images = registry.images.clone();
    blocking(move || images.blob_in(&repository, &digest)).await
}

fn described(blob: &Blob) -> [(&'static str, String); 4] {
    let digest = blob.digest().to_string();
    [
        ("content-type", "application/octet-stream".to_owned()),
        ("accept-ranges", "bytes".to_owned()),
        ("etag", format!("\"{digest}\"")),
        ("docker-content-digest", digest),
    ]
}

fn with_length(mut response: Response, length: u64) -> Response {
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}
