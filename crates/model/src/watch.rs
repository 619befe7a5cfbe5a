//! What is seen of a canary while it is watched.

use serde::{Deserialize, Serialize};

use crate::Version;

/// What two releases answered since one of them began to be watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Watch {
    /// The new release's share of the requests, in percent.
    pub percent: u32,
    /// The release that is watched.
    pub new: Answers,
    /// The one that it is compared with.
    pub old: Answers,
    /// The requests that the new release must have answered before it can be judged.
    pub wanted: u64,
    /// How long it is watched on at least; 0 when nothing but requests is waited for.
    pub left_ms: u64,
    /// How long requests are waited for at most.
    pub patience_ms: u64,
}

/// What one release answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Answers {
    /// Whose.
    pub version: Version,
    /// Requests.
    pub requests: u64,
    /// Those of them that went wrong.
    pub errors: u64,
    /// The 99th percentile of the time to an answer, in microseconds; `None` without one.
    pub p99_us: Option<u64>,
}
