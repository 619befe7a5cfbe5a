//! The values themselves: shown to nobody, wiped when dropped.

use std::collections::BTreeMap;
use std::fmt;

use landfall_model::{Fingerprint, ServiceName};
use secrecy::{ExposeSecret as _, SecretString};

use crate::fingerprint;

/// The value of every secret of every service. Its `Debug` shows nothing; each value is wiped when it is dropped.
#[derive(Clone, Default)]
pub struct Values(BTreeMap<ServiceName, BTreeMap<String, SecretString>>);

impl Values {
    /// Adds the value of a service's secret.
    pub fn insert(&mut self, service: ServiceName, name: String, value: SecretString) {
        self.0.entry(service).or_default().insert(name, value);
    }

    /// The values of one service's secrets by name.
    pub fn of(&self, service: &ServiceName) -> impl Iterator<Item = (&str, &SecretString)> {
        self.0.get(service).into_iter().flatten().map(|(name, value)| (name.as_str(), value))
    }

    /// The fingerprints of one service's secrets, as its release carries them.
    #[must_use]
    pub fn fingerprints(&self, key: &[u8; 32], service: &ServiceName) -> BTreeMap<String, Fingerprint> {
        self.of(service)
            .map(|(name, value)| (name.to_owned(), fingerprint(key, name, value.expose_secret())))
            .collect()
    }

    /// Every value in the open, by service and name, as a submission carries them to the agent. The copy is not wiped.
    #[must_use]
    pub fn expose(&self) -> BTreeMap<ServiceName, BTreeMap<String, String>> {
        let open = |values: &BTreeMap<String, SecretString>| {
            values.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect()
        };
        self.0.iter().map(|(service, values)| (service.clone(), open(values))).collect()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.values().all(BTreeMap::is_empty)
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Values([not shown])")
    }
}
