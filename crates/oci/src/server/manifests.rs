//! Manifests, tags, and what was attached to a manifest.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, LINK};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::IntoResponse as _;
use landfall_model::Digest;
use serde_json::json;

use super::refusal::{Code, Refusal};
use super::{Answer, Registry, blocking, empty, query, value};
use crate::manifest::{MAX_MANIFEST, media};
use crate::name::{Repository, Target};

pub(super) async fn get(registry: &Arc<Registry>, repository: Repository, target: Target) -> Answer {
    let images = registry.images.clone();
    let stored = blocking(move || images.manifest(&repository, &target)).await?;
    let digest = stored.digest.to_string();
    let facts = [
        ("content-type", stored.media_type),
        ("content-length", stored.bytes.len().to_string()),
        ("etag", format!("\"{digest}\"")),
        ("docker-content-digest", digest),
    ];
    let mut response = empty(StatusCode::OK, facts);
    *response.body_mut() = stored.bytes.into();
    Ok(response)
}

pub(super) async fn put(
    registry: &Arc<Registry>,
    repository: Repository,
    target: Target,
    request: Request,
) -> Answer {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let most = usize::try_from(MAX_MANIFEST).unwrap_or(usize::MAX);
    let body = axum::body::to_bytes(request.into_body(), most).await;
    let body = body.map_err(|_| {
        Refusal::new(
            Code::ManifestTooLarge,
            format!("a manifest has at most {MAX_MANIFEST} bytes, and comes whole"),
        )
    })?;
    let (images, into) = (registry.images.clone(), repository.clone());
    let put = blocking(move || images.put_manifest(&into, &target, kind.as_deref(), &body));
    let (digest, manifest) = put.await?;
    let location = format!("/v2/{repository}/manifests/{digest}");
    let facts = [("location", location), ("docker-content-digest", digest.to_string())];
    let mut response = empty(StatusCode::CREATED, facts);
    if let Some(subject) = manifest.subject {
        let subject = subject.digest.to_string().parse();
        response.headers_mut().extend(subject.map(|value| (HeaderName::from_static("oci-subject"), value)));
    }
    Ok(response)
}

pub(super) async fn delete(registry: &Arc<Registry>, repository: Repository, target: Target) -> Answer {
    let images = registry.images.clone();
    blocking(move || images.delete_manifest(&repository, &target)).await?;
    Ok(empty(StatusCode::ACCEPTED, []))
}

/// The tags in their order, `n` of them after `last`.
pub(super) async fn tags(registry: &Arc<Registry>, repository: Repository, uri: &Uri) -> Answer {
    let query = query(uri);
    let most = value(&query, "n").map(str::parse::<usize>).transpose();
    let most = most.map_err(|_| Refusal::new(Code::SizeInvalid, "`n` is no number"))?;
    let last = value(&query, "last").unwrap_or_default().to_owned();
    let (images, name) = (registry.images.clone(), repository.clone());
    let mut tags = blocking(move || images.tags(&name)).await?;
    tags.retain(|tag| *tag > last);
    let more = most.is_some_and(|most| most < tags.len());
    tags.truncate(most.unwrap_or(tags.len()));
    let link = match (more, most, tags.last()) {
        (true, Some(most), Some(last)) => {
            Some(format!("</v2/{repository}/tags/list?n={most}&last={last}>; rel=\"next\""))
        }
        _ => None,
    };
    let body = json!({"name": repository.as_str(), "tags": tags});
    let mut response = axum::Json(body).into_response();
    let link = link.and_then(|link| link.parse().ok());
    response.headers_mut().extend(link.map(|value| (LINK, value)));
    Ok(response)
}

/// What was attached to a manifest, as an index; of one kind with `artifactType`.
pub(super) async fn referrers(
    registry: &Arc<Registry>,
    repository: Repository,
    subject: Digest,
    uri: &Uri,
) -> Answer {
    let query = query(uri);
    let images = registry.images.clone();
    let mut found = blocking(move || images.referrers(&repository, &subject)).await?;
    let wanted = value(&query, "artifactType");
    if let Some(wanted) = wanted {
        found.retain(|entry| entry.artifact_type.as_deref() == Some(wanted));
    }
    let body = json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": found});
    let bytes = serde_json::to_vec(&body).map_err(Refusal::broken)?;
    let mut response = empty(StatusCode::OK, [("content-type", media::INDEX.to_owned())]);
    if wanted.is_some() {
        let filters = HeaderValue::from_static("artifactType");
        response.headers_mut().insert("oci-filters-applied", filters);
    }
    *response.body_mut() = bytes.into();
    Ok(response)
}
