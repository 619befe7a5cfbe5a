//! Images on their way into the host's own store.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use landfall_model::api::StoredImage;
use landfall_model::{AppName, Fault, ServiceName};
use landfall_oci::archive::import_stream;
use serde::Deserialize;

use super::Answer;
use crate::agent::Agent;
use crate::images;

/// Whose image it is.
#[derive(Debug, Deserialize)]
pub(crate) struct ImagePath {
    app: AppName,
    service: ServiceName,
}

/// Takes an image archive (`docker save`, an OCI layout as tar) into the image store, and says what it is pulled by. What
/// no release needs is removed again after an hour.
#[utoipa::path(post, path = "/v1/images/{app}/{service}",
    params(("app" = String, Path), ("service" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/x-tar"),
    responses((status = 200, body = StoredImage), (status = 400, body = Fault), (status = 500, body = Fault)))]
pub(crate) async fn put(
    State(agent): State<Arc<Agent>>,
    Path(path): Path<ImagePath>,
    body: Body,
) -> Answer<Json<StoredImage>> {
    let host = &agent.host;
    let repository = images::repository(&path.app, &path.service)?;
    let registry = host.image_registry().await?;
    let imported = import_stream(host.images()?, &repository, body.into_data_stream(), None).await?;
    Ok(Json(StoredImage {
        reference: images::reference(&registry, &repository, &imported.manifest),
        image: imported.config,
        platform: imported.platform.to_string(),
        size: imported.size,
        new: imported.new,
    }))
}
