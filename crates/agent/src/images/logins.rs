//! The accounts with registries that the agent's user has, as `docker login` keeps them.

use std::collections::BTreeMap;

use landfall_docker::Login;
use landfall_model::Fault;
use landfall_oci::client::{Credential, DockerConfig, Place, Reference};
use secrecy::ExposeSecret as _;

use super::carry::USER;
use crate::host::LocalHost;

/// Where the engine is told what it is.
const ENGINE: &str = "/etc/docker/daemon.json";

impl LocalHost {
    /// Who the agent's user is to a registry; to the agent's own one who may pull.
    pub(crate) async fn credential(&self, place: &Place) -> Result<Credential, Fault> {
        if let Some(password) = self.reader_of(place.host()).await? {
            return Ok(Credential::Password { user: USER.to_owned(), password });
        }
        DockerConfig::load(self.variables())?.credential(place).await
    }

    /// The account with the registry of an image, for an engine to pull it with.
    pub(crate) async fn login_for(&self, reference: &str) -> Result<Option<Login>, Fault> {
        let Ok(reference) = Reference::parse(reference) else { return Ok(None) };
        Ok(login(&self.credential(&reference.place).await?))
    }

    /// The accounts that a build may need: those with the registries of the images that it names. One that cannot be
    /// found out about is told of, and done without: the image may be for everybody.
    pub(crate) async fn logins_for<'r>(
        &self,
        references: impl Iterator<Item = &'r str>,
        mut tell: impl FnMut(&str),
    ) -> BTreeMap<String, Login> {
        let mut logins = BTreeMap::new();
        let mut seen = std::collections::BTreeSet::new();
        for reference in references {
            // Without a tag a build takes one, and the registry is the same.
            let whole = Reference::parse(reference).or_else(|_| Reference::parse(&format!("{reference}:x")));
            let Ok(Reference { place, .. }) = whole else { continue };
            if !seen.insert(place.key().to_owned()) {
                continue;
            }
            match self.credential(&place).await {
                Ok(credential) => logins.extend(login(&credential).map(|it| (place.key().to_owned(), it))),
                Err(fault) => tell(&format!("{fault}; going on without")),
            }
        }
        logins
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct EngineConfig {
    insecure_registries: Vec<String>,
}

/// The registries that the machine's owner lets its engine speak to without TLS.
pub(super) fn insecure_registries() -> Vec<String> {
    let text = std::fs::read(ENGINE).unwrap_or_default();
    serde_json::from_slice::<EngineConfig>(&text).unwrap_or_default().insecure_registries
}

/// An account as engines take it; a token for the registry itself is none of theirs.
fn login(credential: &Credential) -> Option<Login> {
    match credential {
        Credential::Anonymous | Credential::Registry(_) => None,
        Credential::Password { user, password } => {
            Some(Login { user: user.clone(), secret: password.expose_secret().into() })
        }
        Credential::Identity(token) => {
            Some(Login { user: String::new(), secret: token.expose_secret().into() })
        }
    }
}
