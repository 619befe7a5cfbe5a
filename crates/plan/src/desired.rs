//! What is to be: the manifest resolved, its artifacts built into bundles, its secrets found.

use std::collections::BTreeMap;

use landfall_model::{
    AppName, Digest, EnvironmentName, Fingerprint, Release, ReleaseId, ServiceName, Spec, Timestamp, Version,
};

/// What an application is to be in one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub environment: EnvironmentName,
    /// The version that new releases get; later than any that the place has seen.
    pub version: Version,
    /// When the plan is made.
    pub created: Timestamp,
    /// Where the source is kept: the address of its repository, without a user or a password.
    pub origin: Option<String>,
    /// The services; one that refers to another stands behind it. The plan keeps this order.
    pub services: Vec<DesiredService>,
    /// Whether these are all: a service that the place has and that is not among them is then taken away.
    pub complete: bool,
}

/// What one service is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredService {
    /// Its name.
    pub name: ServiceName,
    /// How it runs.
    pub spec: Spec,
    /// The digest of its bundle's index.
    pub artifact: Digest,
    /// A fingerprint for each secret it names.
    pub secrets: BTreeMap<String, Fingerprint>,
    /// Facts worth a line in the plan: a default that was applied.
    pub notes: Vec<String>,
}

impl Desired {
    /// The release that `service` would become.
    pub(crate) fn release(&self, service: &DesiredService) -> Release {
        Release {
            id: ReleaseId::new(service.name.clone(), self.version.clone()),
            app: self.app.clone(),
            environment: self.environment.clone(),
            artifact: service.artifact,
            config: Release::config_digest(&service.spec),
            secrets: service.secrets.clone(),
            schema: None,
            spec: service.spec.clone(),
            created: self.created,
            origin: self.origin.clone(),
        }
    }
}
