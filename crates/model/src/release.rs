//! A release: service × environment × artifact × configuration × secrets.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AppName, Digest, EnvironmentName, InstanceId, ServiceName, Spec, Timestamp, Version};

/// `web@1.4.0-20261120131502-3f2a1c9`: names a release within its application and environment, for ever.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseId {
    service: ServiceName,
    version: Version,
}

crate::schema::string_schema!(ReleaseId, "ReleaseId", "web@1.4.0-20261120131502-3f2a1c9");

impl ReleaseId {
    /// The release of `service` at `version`.
    #[must_use]
    pub fn new(service: ServiceName, version: Version) -> Self {
        Self { service, version }
    }

    /// The service.
    #[must_use]
    pub fn service(&self) -> &ServiceName {
        &self.service
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.version
    }
}

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.service, self.version)
    }
}

impl TryFrom<String> for ReleaseId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let (service, version) = text.split_once('@').ok_or_else(|| format!("`{text}` is not a release"))?;
        Ok(Self {
            service: service.parse().map_err(|e: crate::NameError| e.to_string())?,
            version: version.parse().map_err(|e: crate::ParseVersionError| e.to_string())?,
        })
    }
}

impl From<ReleaseId> for String {
    fn from(id: ReleaseId) -> Self {
        id.to_string()
    }
}

/// A keyed fingerprint of a secret value: tells whether it changed, never what it is. 16 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Fingerprint(pub String);

/// Everything that makes one release what it is; never changes once made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Release {
    /// Its name.
    pub id: ReleaseId,
    /// The application.
    pub app: AppName,
    /// The environment.
    pub environment: EnvironmentName,
    /// The digest of the bundle's index, and so of every file in it.
    pub artifact: Digest,
    /// The digest of `spec`.
    pub config: Digest,
    /// A fingerprint for each secret the service names.
    pub secrets: BTreeMap<String, Fingerprint>,
    /// The schema version of its database, where it has migrations.
    pub schema: Option<String>,
    /// How it runs.
    pub spec: Spec,
    /// When it was planned.
    pub created: Timestamp,
    /// Where its source is kept: the address of the repository, without a user or a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

impl Release {
    /// The digest of a specification: of its JSON with sorted keys.
    ///
    /// # Panics
    /// Never: a `Spec` has only string keys, so that it always has a JSON form.
    #[must_use]
    pub fn config_digest(spec: &Spec) -> Digest {
        let mut value = serde_json::to_value(spec).expect("a Spec has a JSON form");
        value.sort_all_objects();
        Digest::of(value.to_string().as_bytes())
    }

    /// The service.
    #[must_use]
    pub fn service(&self) -> &ServiceName {
        self.id.service()
    }

    /// The name of its compose project in the engine: the one that the manifest names, else
    /// `APPLICATION_ENVIRONMENT_SERVICE` (`_` is in none of the three, so that two services never have the same); `None`
    /// where it runs as something else.
    #[must_use]
    pub fn project(&self) -> Option<String> {
        let compose = self.spec.compose.as_ref()?;
        let own = || format!("{}_{}_{}", self.app, self.environment, self.service());
        Some(compose.project.clone().unwrap_or_else(own))
    }

    /// Whether another release would run the same thing: artifact, configuration and secrets are equal.
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        self.artifact == other.artifact && self.config == other.config && self.secrets == other.secrets
    }

    /// The names of its instances, `spec.replicas` of them (none for a `site`): the same release has the same names.
    #[must_use]
    pub fn instances(&self) -> Vec<InstanceId> {
        let count = if self.spec.kind == crate::Kind::Site { 0 } else { self.spec.replicas };
        (1..=count).map(|ordinal| InstanceId::of(&self.app, &self.environment, &self.id, ordinal)).collect()
    }

    /// The name of the proxy's route for this service: `guestbook/dev/web`.
    #[must_use]
    pub fn route_id(&self) -> String {
        format!("{}/{}/{}", self.app, self.environment, self.service())
    }
}
