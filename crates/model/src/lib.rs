//! The nouns of Landfall and nothing else: what a manifest resolves to, what a place looks like, plans, events,
//! receipts, faults. No I/O, no clock, no knowledge of any target; every crate may know this one, it knows none.
//!
//! Types that are stored or sent carry serde and, where the agent's API shows them, an OpenAPI schema.

mod ability;
pub mod api;
mod autopsy;
mod certificate;
mod command;
mod container;
mod diagnostic;
mod digest;
mod event;
mod fault;
mod finding;
mod instance;
mod listen;
mod name;
mod network;
mod observed;
mod plan;
mod receipt;
mod release;
mod releasing;
mod resolved;
mod route;
mod schema;
mod service;
mod template;
mod time;
mod titles;
mod version;
mod watch;

pub use ability::{Feature, Lack, ObservedProxy};
pub use autopsy::{Autopsy, Evidence, HealthAnswer, Listener};
pub use certificate::{CertificateSource, CertificateStatus};
pub use command::Command;
pub use container::{Compose, Container, Dockerfile, Image, ImageBuild, Runtime, SecretsAs};
pub use diagnostic::{Diagnostic, Label, Severity};
pub use digest::{Digest, ParseDigestError};
pub use event::{Event, Outcome, Stamped, StepLine, Stream};
pub use fault::{Blame, Fault, FaultKind, Retry};
pub use finding::{Finding, Grade};
pub use instance::{Checks, Exit, InstanceId, InstanceState, InstanceStatus, Leaving, LeavingPhase};
pub use listen::{canonical, listeners_of, overlap};
pub use name::{AppName, EnvironmentName, NameError, ServiceName};
pub use network::Network;
pub use observed::{
    Lease, Observed, ObservedProject, ObservedRelease, ObservedService, OpenTransaction, ProjectOwner,
    ReleaseState, TakenRoute,
};
pub use plan::{Change, ChangeKind, Forecast, Pause, Plan, PlanKind, ServicePlan, Step, TransactionId};
pub use receipt::{Downtime, Receipt, ReceiptInstance, ReceiptStep, Requests, ServedArtifact};
pub use release::{Fingerprint, Release, ReleaseId};
pub use releasing::{Canary, Compare, Judge, Prometheus, Rolling, Sticky, Strategy, percentages};
pub use resolved::{Resolved, VersionSource};
pub use route::{Acme, Certificate, Challenge, HoldLimits, Http, Protocol, Proxy, Route, Tls};
pub use service::{Backoff, Dependencies, Health, Kind, Limits, SecretNeed, Service, SourceSpan, Spec, Stop};
pub use template::{Part, Template};
pub use time::{Millis, Timestamp};
pub use version::{ParseVersionError, Version};
pub use watch::{Answers, Watch};
