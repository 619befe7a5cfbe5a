//! What a place's proxies cannot do, so that a plan refuses it before anything happens.

use serde::{Deserialize, Serialize};

use crate::Proxy;

/// A proxy of the place that cannot do all that Landfall's own can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ObservedProxy {
    /// Which.
    pub proxy: Proxy,
    /// Its version; `None` when it is not there or does not tell.
    pub version: Option<String>,
    /// What it cannot do.
    pub lacks: Vec<Lack>,
}

/// Something that a proxy cannot do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Lack {
    /// What.
    pub feature: Feature,
    /// Why, a sentence that names the version.
    pub why: String,
    /// What to do instead.
    pub instead: String,
}

/// What a route may ask of a proxy beyond requests and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// Any route at all.
    Routes,
    /// The PROXY protocol of proxies in front.
    ProxyProtocol,
    /// A client that is kept with one of two releases by a header's value.
    StickyHeader,
    /// A client that is kept with one of two releases by a cookie.
    StickyCookie,
    /// Requests that are shared between two releases by weight.
    Weights,
    /// Certificates for hosts that only a client's handshake names.
    OnDemandCertificates,
}
