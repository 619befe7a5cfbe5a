//! What routes counted and have under way, as one proxy tells the one that takes its place.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::state::stats::Totals;

/// All routes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The private socket of the proxy that the one that tells follows, whose requests are among these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<PathBuf>,
    pub(crate) routes: Vec<RouteReport>,
}

/// One route, also one that is removed and not drained.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RouteReport {
    pub(crate) id: String,
    /// By age, the newest last.
    pub(crate) pools: Vec<PoolReport>,
    /// What pools counted that are forgotten.
    pub(crate) forgotten: Totals,
    /// What everything was when the meter was started.
    pub(crate) started: Totals,
    /// The longest stretch since then in which requests could not be sent on.
    pub(crate) pause_ms: u64,
}

/// One pool.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PoolReport {
    pub(crate) label: String,
    pub(crate) inflight: u64,
    /// Those of them that are streams; a proxy of before did not tell.
    #[serde(default)]
    pub(crate) streams: u64,
    pub(crate) totals: Totals,
}
