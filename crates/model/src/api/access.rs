//! A line of the proxy's access log.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// A request that is done, as the proxy wrote it down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AccessLine {
    /// When its answer ended.
    pub time: Timestamp,
    /// Its `X-Request-Id`.
    pub id: String,
    /// The client's address, told by a trusted proxy where there is one.
    pub client: String,
    /// Its method.
    pub method: String,
    /// The host that was asked for.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// The answer's status.
    pub status: u16,
    /// Bytes of the request's body.
    pub received: u64,
    /// Bytes of the answer's body.
    pub sent: u64,
    /// From the request's head to the answer's end, in milliseconds.
    pub ms: f64,
    /// Of this, how long it was held.
    pub held_ms: f64,
    /// The route, `APP/ENVIRONMENT/SERVICE`.
    pub route: String,
    /// The version that it was given to.
    pub pool: String,
    /// The instance that answered; none for files and for the proxy's own answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// `HTTP/1.1`, `HTTP/2`.
    pub protocol: String,
    /// `TLSv1.3`, when it came in encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// Its `User-Agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Its `Referer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referer: Option<String>,
}
