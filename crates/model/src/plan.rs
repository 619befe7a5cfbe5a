//! A plan: ordered steps as data, made by no I/O, applied exactly as shown or refused.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AppName, Digest, EnvironmentName, Millis, Release, ReleaseId, ServiceName, Strategy, Version};

/// Numbers transactions on a host upwards from 1, per application and environment.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct TransactionId(pub u64);

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Why there is a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PlanKind {
    /// Makes what the manifest says true.
    Deploy,
    /// Makes an earlier release serve again.
    Rollback,
    /// Takes services away.
    Down,
}

/// What will be done, all of it. The hash is of its canonical JSON (sorted keys, the `hash` field left out).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Plan {
    /// The version of this format; 1.
    pub format: u32,
    /// Why.
    pub kind: PlanKind,
    /// The application.
    pub app: AppName,
    /// The environment.
    pub environment: EnvironmentName,
    /// The version that new releases get.
    pub version: Version,
    /// The generation of the place that the plan was made against; another one there makes it stale.
    pub generation: u64,
    /// A line for each service, changed or not, in the order of the deploy; those taken away last.
    pub services: Vec<ServicePlan>,
    /// The releases that steps speak of, new and old.
    pub releases: BTreeMap<ReleaseId, Release>,
    /// What is done, in this order.
    pub steps: Vec<Step>,
    /// Of everything above.
    pub hash: Option<Digest>,
}

impl Plan {
    /// The plan with its hash filled in.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.hash = Some(self.compute_hash());
        self
    }

    /// Whether the hash it carries is the hash of what it says.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.hash == Some(self.compute_hash())
    }

    /// # Panics
    /// Never: a plan has only string keys, so that it always has a JSON form.
    fn compute_hash(&self) -> Digest {
        let mut value = serde_json::to_value(self).expect("a plan has a JSON form");
        if let Some(fields) = value.as_object_mut() {
            fields.remove("hash");
        }
        value.sort_all_objects();
        Digest::of(value.to_string().as_bytes())
    }

    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// What the plan does to one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ServicePlan {
    /// The service.
    pub service: ServiceName,
    /// What happens to it.
    pub change: Change,
    /// The release that serves now.
    pub from: Option<ReleaseId>,
    /// The release that serves afterwards; `None` when it is taken away.
    pub to: Option<ReleaseId>,
    /// How the new one takes over.
    pub strategy: Strategy,
    /// What a person who sends requests will notice.
    pub forecast: Forecast,
    /// The address it is served at afterwards.
    pub url: Option<String>,
    /// Facts worth a line, as people read them: a default that was applied, a secret that was supplied.
    pub notes: Vec<String>,
}

/// What happens to a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Change {
    /// It was not there.
    Create,
    /// It is replaced, for these reasons.
    Update {
        /// At least one.
        reasons: Vec<ChangeKind>,
    },
    /// It runs already.
    Unchanged,
    /// It is taken away.
    Remove,
}

/// Why a release is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum ChangeKind {
    /// The artifact differs.
    Artifact,
    /// A part of the specification differs; the names of the keys (`run`, `env.LOG_LEVEL`), never values of `env`.
    Config {
        /// Which.
        keys: Vec<String>,
    },
    /// Secrets were added, changed or taken away; their names.
    Secrets {
        /// Which.
        names: Vec<String>,
    },
    /// Instances do not run or are unhealthy.
    Drift {
        /// What was seen.
        what: String,
    },
    /// An earlier release was asked for.
    Rollback,
}

/// What a person who sends requests will notice while the new release takes over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Forecast {
    /// The kind of pause.
    pub pause: Pause,
    /// How long it is expected to last; 0 with `None`.
    pub pause_ms: u64,
    /// Why, as people read it: "volume `data` has one writer".
    pub reason: String,
}

/// A pause in serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pause {
    /// None.
    None,
    /// Requests wait and are then answered.
    Held,
    /// It does not serve: it is new, or taken away, or has no route.
    Down,
}

/// One step. Each can be done twice without harm, and the engine knows how to ask whether it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", tag = "step")]
pub enum Step {
    /// Lays out the release's folder, prepares dependencies, runs `build`.
    Prepare {
        /// Whose.
        release: ReleaseId,
    },
    /// Runs the test gate in a throwaway copy.
    Test {
        /// Whose.
        release: ReleaseId,
    },
    /// Makes the proxy hold the service's requests and waits for those under way.
    Hold {
        /// The release that serves until now.
        release: ReleaseId,
    },
    /// Stops all instances of a release that another one replaces at once (`restart`).
    Stop {
        /// Whose.
        release: ReleaseId,
    },
    /// Starts instances of a release.
    Start {
        /// Whose.
        release: ReleaseId,
        /// The first so many; `None` for all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        upto: Option<u32>,
    },
    /// Waits until instances of a release are healthy.
    AwaitHealthy {
        /// Whose.
        release: ReleaseId,
        /// The first so many; `None` for all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        upto: Option<u32>,
    },
    /// Sends the route's requests to the first instances of both releases, in proportion to their numbers.
    Roll {
        /// The one that served.
        from: ReleaseId,
        /// The one that is to serve.
        to: ReleaseId,
        /// Instances of `from` that go on getting requests.
        old: u32,
        /// Instances of `to` that get requests.
        new: u32,
    },
    /// Hands the instances of a release beyond the first `left` to the agent for draining and stopping in the background.
    Shrink {
        /// Whose.
        release: ReleaseId,
        /// How many stay.
        left: u32,
    },
    /// Sends a share of the route's requests to the new release.
    Shift {
        /// The one that served.
        from: ReleaseId,
        /// The one that is to serve.
        to: ReleaseId,
        /// The new one's share, 1 to 99.
        percent: u32,
    },
    /// Watches whether the new release does worse than the old one; a worse one fails the deploy.
    Judge {
        /// The one that served.
        from: ReleaseId,
        /// The one that is to serve.
        to: ReleaseId,
        /// The share of the requests that the new one has meanwhile.
        percent: u32,
    },
    /// Sends the route's requests to a release, atomically, and lets held ones through.
    Switch {
        /// The one that served; `None` for a new service.
        from: Option<ReleaseId>,
        /// The one that serves from now on.
        to: ReleaseId,
    },
    /// Reads back from the instances and the proxy what runs and who gets the traffic; a mismatch fails the deploy.
    ReadBack {
        /// Whose.
        release: ReleaseId,
    },
    /// Takes the service's route away from the proxy.
    Unroute {
        /// The release that served.
        release: ReleaseId,
    },
    /// Hands an old release to the agent for draining and stopping in the background; its files stay.
    Retire {
        /// Whose.
        release: ReleaseId,
        /// How long its instances stay up before they are drained.
        #[serde(default, skip_serializing_if = "Millis::is_zero")]
        warm: Millis,
    },
    /// Removes releases of a service beyond those kept, never one that has instances.
    Prune {
        /// The service.
        service: ServiceName,
        /// How many old ones stay.
        keep: u32,
    },
    /// Removes a service that was taken down: its releases and, if asked for, its volumes.
    Remove {
        /// The last release it had.
        release: ReleaseId,
        /// Whether its volumes go too.
        volumes: bool,
    },
}

impl Step {
    /// The service that it is about.
    #[must_use]
    pub fn service(&self) -> &ServiceName {
        match self {
            Self::Prepare { release }
            | Self::Test { release }
            | Self::Hold { release }
            | Self::Stop { release }
            | Self::Start { release, .. }
            | Self::AwaitHealthy { release, .. }
            | Self::Shrink { release, .. }
            | Self::ReadBack { release }
            | Self::Unroute { release }
            | Self::Retire { release, .. }
            | Self::Remove { release, .. } => release.service(),
            Self::Switch { to, .. }
            | Self::Roll { to, .. }
            | Self::Shift { to, .. }
            | Self::Judge { to, .. } => to.service(),
            Self::Prune { service, .. } => service,
        }
    }

    /// The releases that it speaks of.
    #[must_use]
    pub fn releases(&self) -> Vec<&ReleaseId> {
        match self {
            Self::Prepare { release }
            | Self::Test { release }
            | Self::Hold { release }
            | Self::Stop { release }
            | Self::Start { release, .. }
            | Self::AwaitHealthy { release, .. }
            | Self::Shrink { release, .. }
            | Self::ReadBack { release }
            | Self::Unroute { release }
            | Self::Retire { release, .. }
            | Self::Remove { release, .. } => vec![release],
            Self::Switch { from, to } => from.iter().chain([to]).collect(),
            Self::Roll { from, to, .. } | Self::Shift { from, to, .. } | Self::Judge { from, to, .. } => {
                vec![from, to]
            }
            Self::Prune { .. } => Vec::new(),
        }
    }

    /// The word for it: `prepare`, `test`, `hold` …
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Prepare { .. } => "prepare",
            Self::Test { .. } => "test",
            Self::Hold { .. } => "hold",
            Self::Stop { .. } => "stop",
            Self::Start { .. } => "start",
            Self::AwaitHealthy { .. } => "health",
            Self::Roll { .. } => "roll",
            Self::Shrink { .. } => "shrink",
            Self::Shift { .. } => "shift",
            Self::Judge { .. } => "judge",
            Self::Switch { .. } => "switch",
            Self::ReadBack { .. } => "read back",
            Self::Unroute { .. } => "unroute",
            Self::Retire { .. } => "retire",
            Self::Prune { .. } => "prune",
            Self::Remove { .. } => "remove",
        }
    }
}

impl Forecast {
    /// Nobody notices.
    #[must_use]
    pub fn none(reason: impl Into<String>) -> Self {
        Self { pause: Pause::None, pause_ms: 0, reason: reason.into() }
    }

    /// As people read it: "no pause", "requests held for about 0.9 s: volume `data` has one writer".
    #[must_use]
    pub fn sentence(&self) -> String {
        let length = Millis(self.pause_ms);
        let reason = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        match self.pause {
            Pause::None => format!("no pause{reason}"),
            Pause::Held => format!("requests held for about {length}{reason}"),
            Pause::Down if self.pause_ms > 0 => format!("down for about {length}{reason}"),
            Pause::Down => format!("not served{reason}"),
        }
    }
}
