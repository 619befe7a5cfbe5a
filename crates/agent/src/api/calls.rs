//! Every call of the API, listed once: for the router, and for the OpenAPI document, which is only made when it is asked
//! for, so that an agent that nobody asks carries none of its schemas.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use utoipa::OpenApi as _;

use super::{access, apps, blobs, disk, exec, images, info, logs, services, transactions};
use crate::agent::Agent;

/// The largest JSON body in bytes: a plan for 1,000 services has about 2 MB. Handlers that take a `Body` as a stream have
/// limits of their own.
const MAX_JSON: usize = 64 * 1024 * 1024;

macro_rules! calls {
    ($($method:ident $path:literal => $subject:ident::$handler:ident;)*) => {
        #[derive(utoipa::OpenApi)]
        #[openapi(
            info(
                title = "Landfall agent",
                description = "The resident of a host: plans are submitted to it, it applies them and reads back what \
                               runs. HTTP/1.1 on a unix socket that only its owner can open."
            ),
            paths($($subject::$handler),*)
        )]
        struct Document;

        /// Each call with its handler.
        pub(super) fn routes() -> Router<Arc<Agent>> {
            Router::new()
                $(.route($path, axum::routing::$method($subject::$handler)))*
                .layer(DefaultBodyLimit::max(MAX_JSON))
        }

        #[cfg(test)]
        const CALLS: &[(&str, &str)] = &[$((stringify!($method), $path)),*];
    };
}

calls! {
    get "/v1/info" => info::info;
    post "/v1/shutdown" => info::shutdown;
    get "/v1/metrics" => info::metrics;
    get "/v1/fingerprint-key" => info::fingerprint_key;
    post "/v1/blobs/missing" => blobs::missing;
    post "/v1/blobs" => blobs::put;
    post "/v1/images/{app}/{service}" => images::put;
    get "/v1/disk" => disk::disk;
    post "/v1/disk/prune" => disk::prune;
    get "/v1/apps" => apps::list;
    get "/v1/apps/{app}/{env}" => apps::status;
    get "/v1/apps/{app}/{env}/observed" => apps::observed;
    post "/v1/apps/{app}/{env}/transactions" => transactions::submit;
    get "/v1/apps/{app}/{env}/transactions" => transactions::history;
    get "/v1/apps/{app}/{env}/transactions/{n}/events" => transactions::events;
    post "/v1/apps/{app}/{env}/transactions/{n}/cancel" => transactions::cancel;
    post "/v1/apps/{app}/{env}/transactions/{n}/resume" => transactions::resume;
    post "/v1/apps/{app}/{env}/transactions/{n}/undo" => transactions::undo;
    post "/v1/apps/{app}/{env}/transactions/{n}/promote" => transactions::promote;
    post "/v1/apps/{app}/{env}/transactions/{n}/abort" => transactions::abort;
    get "/v1/apps/{app}/{env}/receipts" => transactions::receipts;
    get "/v1/apps/{app}/{env}/logs" => logs::logs;
    get "/v1/apps/{app}/{env}/access" => access::access;
    get "/v1/apps/{app}/{env}/services/{service}/exec" => exec::exec;
    post "/v1/apps/{app}/{env}/services/{service}/maintenance" => services::maintenance;
    post "/v1/apps/{app}/{env}/services/{service}/pause" => services::pause;
}

/// The description of all calls.
pub(super) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_call_is_described_as_it_is_routed() {
        let document = serde_json::to_value(document()).unwrap();
        let described: BTreeSet<(&str, &str)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, calls)| {
                calls.as_object().unwrap().keys().map(move |method| (method.as_str(), path.as_str()))
            })
            .collect();
        assert_eq!(described, CALLS.iter().copied().collect());
        assert!(document["components"]["schemas"].as_object().unwrap().len() > 50);
    }
}
