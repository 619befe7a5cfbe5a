//! Blobs on their way in: whole, in pieces, or taken over from another repository.
//!
//! A session lives in memory, its chunks are in the store already: a client that is cut off goes on where it was, and one
//! that comes after a restart of the agent begins again without sending the disk anything twice.

mod receive;
mod sessions;

use std::future::Future;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use landfall_model::Digest;

use self::receive::{Received, receive};
pub(super) use self::sessions::Uploads;
use super::call::{digest, name};
use super::range::piece;
use super::refusal::{Code, Refusal};
use super::{Answer, Registry, blocking, empty, query, value};
use crate::name::Repository;
use crate::store::BlobWriter;

/// `POST`: begins a session, or does all at once with `digest` or `mount`.
pub(super) async fn begin(registry: &Arc<Registry>, repository: Repository, request: Request) -> Answer {
    let query = query(request.uri());
    if let Some(blob) = value(&query, "mount") {
        let (blob, from) = (digest(blob)?, value(&query, "from").map(name).transpose()?);
        if let Some(response) = mount(registry, &repository, blob, from).await? {
            return Ok(response);
        }
    } else if let Some(whole) = value(&query, "digest") {
        let whole = digest(whole)?;
        let Received::All(writer) = receive(registry.images.writer(), request.into_body()).await? else {
            return Err(cut());
        };
        return finish(registry, repository, writer, whole).await;
    }
    let id = registry.uploads.begin(&repository, registry.images.writer(), registry.random.as_ref())?;
    Ok(accepted(StatusCode::ACCEPTED, &repository, &id, 0))
}

/// `GET`: how far a session is.
pub(super) async fn status(registry: &Arc<Registry>, repository: &Repository, id: &str) -> Answer {
    let writer = registry.uploads.take(repository, id).await?;
    let size = writer.size();
    registry.uploads.give_back(id, Some(writer));
    Ok(accepted(StatusCode::NO_CONTENT, repository, id, size))
}

/// `PATCH`: the next piece.
pub(super) async fn go_on(
    registry: &Arc<Registry>,
    repository: Repository,
    id: String,
    request: Request,
) -> Answer {
    let registry = Arc::clone(registry);
    lasting(async move {
        let writer = next_piece(&registry, &repository, &id, request).await?;
        let size = writer.size();
        registry.uploads.give_back(&id, Some(writer));
        Ok(accepted(StatusCode::ACCEPTED, &repository, &id, size))
    })
    .await
}

/// `PUT`: the last piece, if any, and the digest of all.
pub(super) async fn end(
    registry: &Arc<Registry>,
    repository: Repository,
    id: String,
    request: Request,
) -> Answer {
    let query = query(request.uri());
    let whole = digest(value(&query, "digest").unwrap_or_default())?;
    let registry = Arc::clone(registry);
    lasting(async move {
        let writer = next_piece(&registry, &repository, &id, request).await?;
        registry.uploads.give_back(&id, None);
        finish(&registry, repository, writer, whole).await
    })
    .await
}

/// Does it to its end: a client that is cut off takes its request's future with it, and what arrived is to stay.
async fn lasting(work: impl Future<Output = Answer> + Send + 'static) -> Answer {
    tokio::spawn(work).await.unwrap_or_else(|error| Err(Refusal::broken(error)))
}

/// `DELETE`: the session is given up.
pub(super) async fn cancel(registry: &Arc<Registry>, repository: &Repository, id: &str) -> Answer {
    drop(registry.uploads.take(repository, id).await?);
    registry.uploads.give_back(id, None);
    Ok(empty(StatusCode::NO_CONTENT, []))
}

/// Takes a blob over that another repository has, any of them where none is named; `None` when there is none. To a closed
/// registry there are no others.
async fn mount(
    registry: &Arc<Registry>,
    repository: &Repository,
    blob: Digest,
    from: Option<Repository>,
) -> Result<Option<Response>, Refusal> {
    let hidden = from.as_ref().map_or(registry.access.is_closed(), |from| !registry.access.has(from));
    if hidden {
        return Ok(None);
    }
    let (images, into) = (registry.images.clone(), repository.clone());
    let mounted = blocking(move || {
        match from {
            Some(from) => images.blob_in(&from, &blob)?,
            None => images.blob(&blob)?,
        };
        images.adopt(&into, &blob)
    });
    match mounted.await {
        Ok(()) => Ok(Some(created(repository, &blob))),
        Err(refusal) if refusal.code == Code::BlobUnknown => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// Receives a request's body, after a look at where it belongs, and gives the writer when all came. Else the session has
/// what came, if it can go on.
async fn next_piece(
    registry: &Arc<Registry>,
    repository: &Repository,
    id: &str,
    request: Request,
) -> Result<BlobWriter, Refusal> {
    let writer = registry.uploads.take(repository, id).await?;
    if let Err(refusal) = check_place(request.headers(), writer.size()) {
        registry.uploads.give_back(id, Some(writer));
        return Err(refusal);
    }
    match receive(writer, request.into_body()).await {
        Ok(Received::All(writer)) => Ok(writer),
        Ok(Received::Cut(writer)) => {
            registry.uploads.give_back(id, Some(writer));
            Err(cut())
        }
        Err(refusal) => {
            registry.uploads.give_back(id, None);
            Err(refusal)
        }
    }
}

fn cut() -> Refusal {
    Refusal::new(Code::BlobUploadInvalid, "the upload was cut off; what came is kept")
}

/// # Errors
/// A piece that does not begin where the last one ended, or whose length is not what its range says.
fn check_place(headers: &HeaderMap, size: u64) -> Result<(), Refusal> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(range) = text(CONTENT_RANGE) else { return Ok(()) };
    let wrong = |message: String| {
        Refusal::new(Code::RangeInvalid, message).header("range", &format!("0-{}", size.saturating_sub(1)))
    };
    let Some((first, length)) = piece(range) else { return Err(wrong(format!("`{range}` is no range"))) };
    if first != size {
        return Err(wrong(format!("the next byte is {size}, not {first}")));
    }
    match text(CONTENT_LENGTH).map(str::parse::<u64>) {
        Some(Ok(announced)) if announced != length => {
            Err(Refusal::new(Code::SizeInvalid, format!("`{range}` is not {announced} bytes")))
        }
        _ => Ok(()),
    }
}

async fn finish(
    registry: &Arc<Registry>,
    repository: Repository,
    writer: BlobWriter,
    whole: Digest,
) -> Answer {
    let (images, into) = (registry.images.clone(), repository.clone());
    blocking(move || writer.finish(Some(&whole)).and_then(|_| images.adopt(&into, &whole))).await?;
    Ok(created(&repository, &whole))
}

fn created(repository: &Repository, digest: &Digest) -> Response {
    let location = format!("/v2/{repository}/blobs/{digest}");
    empty(StatusCode::CREATED, [("location", location), ("docker-content-digest", digest.to_string())])
}

fn accepted(status: StatusCode, repository: &Repository, id: &str, size: u64) -> Response {
    let location = format!("/v2/{repository}/blobs/uploads/{id}");
    let range = format!("0-{}", size.saturating_sub(1));
    empty(status, [("location", location), ("range", range), ("docker-upload-uuid", id.to_owned())])
}
