//! The proof after the fact: what was read back, not what was hoped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Digest, EnvironmentName, InstanceId, Outcome, PlanKind, ServiceName, Strategy, Timestamp, TransactionId,
    Version,
};

/// What one service's part of a deploy came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Receipt {
    /// The version of this format; 1.
    pub format: u32,
    /// The transaction it belongs to.
    pub transaction: TransactionId,
    /// Why there was one.
    pub kind: PlanKind,
    /// When it ended.
    pub at: Timestamp,
    /// The environment.
    pub environment: EnvironmentName,
    /// The service.
    pub service: ServiceName,
    /// The version that was to serve.
    pub version: Version,
    /// The version that served before.
    pub previous_version: Option<Version>,
    /// How it took over.
    pub strategy: Strategy,
    /// The digest of the artifact that was to run.
    pub artifact_digest: Digest,
    /// Each instance that was read back.
    pub instances: Vec<ReceiptInstance>,
    /// The share of requests each version gets, read back from the proxy, in percent; versions with 0 are left out.
    pub traffic: BTreeMap<String, u32>,
    /// Where it is served.
    pub url: Option<String>,
    /// The request that was sent through the front door to prove it, and what answered.
    pub served: Option<ServedArtifact>,
    /// Requests that came in between the begin and the end of the deploy.
    pub requests: Requests,
    /// What was forecast and what it was.
    pub downtime: Downtime,
    /// Bytes sent to the host for this deploy.
    pub bytes_shipped: u64,
    /// What each step took.
    pub steps: Vec<ReceiptStep>,
    /// From the plan's submission to the end.
    pub duration_ms: u64,
    /// What was found of the new release in each step of a canary, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judged: Vec<String>,
    /// Whether a person ended the canary before its time by `promote`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub promoted: bool,
    /// The plan that was applied.
    pub plan_hash: Digest,
    /// How it ended.
    pub outcome: Outcome,
}

/// An instance as it was read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReceiptInstance {
    /// The host's name.
    pub host: String,
    /// The instance.
    pub id: InstanceId,
    /// Its main process.
    pub pid: Option<u32>,
    /// The digest of the files or of the image that it runs from, taken again after the switch.
    pub digest: Digest,
    /// The digest that it should run from; `None`: the artifact's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Digest>,
    /// What its engine calls it; `None` for a process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Whether it was healthy.
    pub healthy: bool,
}

impl ReceiptInstance {
    /// Whether it runs what it should: of the artifact, or of the image that was made from it.
    #[must_use]
    pub fn is_right(&self, artifact: &Digest) -> bool {
        self.digest == *self.wanted.as_ref().unwrap_or(artifact)
    }
}

/// What answered a request through the front door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ServedArtifact {
    /// The path asked for.
    pub path: String,
    /// The status that came back.
    pub status: u16,
    /// The version that the proxy says answered.
    pub version: String,
}

/// Requests over a while, counted by the proxy; the one that proves a release is none of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Requests {
    /// Answered by an instance, whatever the status.
    pub served: u64,
    /// Answered by the proxy itself because no instance could: the dropped ones.
    pub failed: u64,
    /// Held for a while before they were served.
    pub held: u64,
    /// The median in milliseconds; `None` without a request.
    pub p50_ms: Option<f64>,
    /// The 99th percentile in milliseconds.
    pub p99_ms: Option<f64>,
}

// No latency is ever NaN: they come out of a histogram of whole microseconds.
impl Eq for Requests {}

/// The pause.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Downtime {
    /// What the plan said.
    pub forecast_ms: u64,
    /// How long the proxy had no instance to send a request to, or held requests.
    pub measured_ms: u64,
}

/// What a step took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReceiptStep {
    /// Its word and what it did.
    pub name: String,
    /// How long.
    pub ms: u64,
}
