//! The request that begins a build: what both builders take.

use std::collections::BTreeMap;

use bollard::ClientVersion;
use hyper::Request;
use hyper::header::{CONTENT_TYPE, HOST};
use landfall_model::Fault;

use super::Build;
use crate::login;
use crate::raw::{Body, query};

/// The options of `build` that both builders know (<https://docs.docker.com/reference/api/engine/#tag/Image>).
pub(super) fn options(build: &Build, dockerfile: &str) -> Vec<(&'static str, String)> {
    let json = |map: &BTreeMap<String, String>| serde_json::to_string(map).unwrap_or_default();
    let mut options = vec![
        ("dockerfile", dockerfile.to_owned()),
        ("labels", json(&build.labels)),
        ("buildargs", json(&build.args)),
        ("rm", "1".to_owned()),
        ("forcerm", "1".to_owned()),
    ];
    options.extend(build.tags.iter().map(|tag| ("t", tag.clone())));
    options.extend(build.target.iter().map(|target| ("target", target.clone())));
    options.extend(build.platform.iter().map(|platform| ("platform", platform.clone())));
    options.extend(build.network.iter().map(|network| ("networkmode", network.clone())));
    options
}

/// The request with these options and this body.
pub(super) fn request(
    version: ClientVersion,
    build: &Build,
    options: &[(&str, String)],
    body: Body,
) -> Result<Request<Body>, Fault> {
    Request::post(format!("/v{version}/build{}", query(options)))
        .header(HOST, "docker")
        .header(CONTENT_TYPE, "application/x-tar")
        .header("X-Registry-Config", login::accounts(&build.logins))
        .body(body)
        .map_err(|why| Fault::internal(format!("the build cannot be asked for: {why}")))
}
