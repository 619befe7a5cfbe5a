//! What the place looks like: the input of a plan beside what the manifest says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    AppName, EnvironmentName, InstanceStatus, ObservedProxy, PlanKind, Release, ReleaseId, Route,
    ServiceName, Timestamp, TransactionId,
};

/// One application and environment as its place shows them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Observed {
    /// Goes up by one with every transaction; a plan is made against one generation.
    pub generation: u64,
    /// What is there.
    pub services: BTreeMap<ServiceName, ObservedService>,
    /// Routes that other applications and environments on this host hold.
    pub taken: Vec<TakenRoute>,
    /// A transaction that has begun and not ended.
    pub open: Option<OpenTransaction>,
    /// The newest moment any version here carries (14 digits); a new one must be later.
    pub newest_moment: Option<String>,
    /// The compose projects that were asked for by name and are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub projects: Vec<ObservedProject>,
    /// Proxies beside Landfall's own, and what they cannot do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proxies: Vec<ObservedProxy>,
}

/// A service as its place shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ObservedService {
    /// The release that serves.
    pub active: Option<ReleaseId>,
    /// The newest that served before the active one was made: where a plain rollback goes.
    pub previous: Option<ReleaseId>,
    /// The releases that are kept, oldest first.
    pub releases: Vec<ObservedRelease>,
    /// The instances of all releases.
    pub instances: Vec<InstanceStatus>,
    /// How long its last boot to a healthy answer took, in milliseconds.
    pub boot_ms: Option<u64>,
    /// How long its last stop took, in milliseconds.
    pub stop_ms: Option<u64>,
}

/// A release as its place knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ObservedRelease {
    /// The release.
    pub release: Release,
    /// Where it stands.
    pub state: ReleaseState,
}

/// Where a release stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseState {
    /// Its files are there; it does not serve.
    Kept,
    /// It serves.
    Active,
    /// It is drained and stopped in the background.
    Retiring,
    /// It never served: its deploy failed.
    Failed,
}

/// A route that somebody else holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TakenRoute {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub environment: EnvironmentName,
    /// The service.
    pub service: ServiceName,
    /// The route.
    pub route: Route,
}

/// A compose project of the host's engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ObservedProject {
    /// Its name.
    pub name: String,
    /// The services of this host whose releases have it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<ProjectOwner>,
    /// Its containers that another agent of this machine made, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<String>,
    /// Its containers that no agent made, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<String>,
    /// The volumes that it has, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
    /// The files on the host that the containers of `found` were made from, where all of them are still there: what ran
    /// can be brought back from them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

/// A service whose releases have a compose project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ProjectOwner {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub environment: EnvironmentName,
    /// The service.
    pub service: ServiceName,
}

/// A transaction that has begun and not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OpenTransaction {
    /// Its number.
    pub transaction: TransactionId,
    /// Why it began.
    pub kind: PlanKind,
    /// When.
    pub begun: Timestamp,
    /// Whether the agent is working on it now; otherwise it waits for `resume` or `undo`.
    pub running: bool,
    /// The steps that are done.
    pub done: usize,
    /// All steps.
    pub steps: usize,
    /// What it was doing, as people read it: "web: health, waits until 127.0.0.1:41873 is healthy".
    pub doing: String,
    /// Whether traffic has been switched already: `resume` is then the shorter way, before it `undo` is.
    pub switched: bool,
    /// Who holds the deploy lock.
    pub lease: Option<Lease>,
}

/// The deploy lock of an application and environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Lease {
    /// Goes up with every holder; effects of a smaller one are refused.
    pub token: u64,
    /// Who, as people read it: `anna@laptop, deploy #12`.
    pub holder: String,
    /// When its last heartbeat was.
    pub heartbeat: Timestamp,
    /// From when on another may take it.
    pub expires: Timestamp,
}
