//! The place of one certificate: what a host is served with now, and how it is going.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use arc_swap::ArcSwapOption;
use landfall_model::{Acme, Certificate, CertificateSource, CertificateStatus, Timestamp};

use crate::pair::Pair;

/// A host that is to be served with TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The address that handshakes come in on.
    pub listen: SocketAddr,
    /// The host in lower case; `*` for any that is not named.
    pub host: String,
    /// Where its certificate comes from.
    pub certificate: Certificate,
    /// The route whose application approves certificates on demand.
    pub route: String,
}

/// What a host is served with now. Shared by the keeper, who changes it, and the handshakes.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) host: String,
    pub(crate) certificate: Certificate,
    pub(crate) route: String,
    /// Whether the host is only known from a handshake.
    pub(crate) demanded: bool,
    pub(crate) pair: ArcSwapOption<Pair>,
    story: Mutex<Story>,
    /// The hosts that this one, a `*`, got certificates for on demand.
    hosts: RwLock<HashMap<String, Arc<Slot>>>,
}

#[derive(Debug, Default)]
struct Story {
    problem: Option<String>,
    next: Option<Timestamp>,
}

impl Slot {
    pub(crate) fn new(wanted: &Wanted) -> Self {
        Self {
            host: wanted.host.clone(),
            certificate: wanted.certificate.clone(),
            route: wanted.route.clone(),
            demanded: false,
            pair: ArcSwapOption::empty(),
            story: Mutex::default(),
            hosts: RwLock::default(),
        }
    }

    /// The place of a host that is only known from a handshake, whose application approved of it.
    pub(crate) fn for_demanded(&self, host: &str) -> Self {
        Self {
            host: host.to_owned(),
            certificate: self.certificate.clone(),
            route: self.route.clone(),
            demanded: true,
            pair: ArcSwapOption::empty(),
            story: Mutex::default(),
            hosts: RwLock::default(),
        }
    }

    /// The ACME server that the host's certificate is ordered from; `None` when it is not, or not without a demand.
    pub(crate) fn ordered_from(&self) -> Option<&Acme> {
        match &self.certificate {
            Certificate::Acme(acme) if self.host != "*" => Some(acme),
            _ => None,
        }
    }

    /// The ACME server and the path to ask the application at, where any host may get a certificate on demand.
    pub(crate) fn on_demand(&self) -> Option<(&Acme, &str)> {
        match &self.certificate {
            Certificate::Acme(acme) if self.host == "*" || self.demanded => {
                Some((acme, acme.on_demand.as_deref()?))
            }
            _ => None,
        }
    }

    /// The place of a host that got a certificate on demand.
    pub(crate) fn demanded_host(&self, host: &str) -> Option<Arc<Self>> {
        self.hosts.read().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }

    /// All hosts that got a certificate on demand.
    pub(crate) fn demanded_hosts(&self) -> Vec<Arc<Self>> {
        self.hosts.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Adds a host that got a certificate on demand.
    pub(crate) fn add_demanded(&self, slot: Arc<Self>) {
        self.hosts.write().unwrap_or_else(PoisonError::into_inner).insert(slot.host.clone(), slot);
    }

    /// Takes such a host away.
    pub(crate) fn remove_demanded(&self, host: &str) {
        self.hosts.write().unwrap_or_else(PoisonError::into_inner).remove(host);
    }

    /// Says how it is going: what went wrong last, if anything did, and when the next attempt is.
    pub(crate) fn tell(&self, problem: Option<String>, next: Option<Timestamp>) {
        *self.story.lock().unwrap_or_else(PoisonError::into_inner) = Story { problem, next };
    }

    /// What went wrong last.
    pub(crate) fn problem(&self) -> Option<String> {
        self.story.lock().unwrap_or_else(PoisonError::into_inner).problem.clone()
    }

    /// For people.
    pub(crate) fn status(&self) -> CertificateStatus {
        let source = match &self.certificate {
            Certificate::Internal => CertificateSource::Internal,
            Certificate::Files { certificate, .. } => {
                CertificateSource::Files { certificate: certificate.clone() }
            }
            Certificate::Acme(acme) => {
                CertificateSource::Acme { directory: acme.directory.clone(), on_demand: self.demanded }
            }
        };
        let pair = self.pair.load();
        let facts = pair.as_ref().map(|pair| &pair.facts);
        let story = self.story.lock().unwrap_or_else(PoisonError::into_inner);
        CertificateStatus {
            host: self.host.clone(),
            source,
            issuer: facts.map(|facts| facts.issuer.clone()),
            names: facts.map(|facts| facts.names.clone()).unwrap_or_default(),
            not_before: facts.map(|facts| facts.not_before),
            not_after: facts.map(|facts| facts.not_after),
            problem: story.problem.clone(),
            next_try: story.next,
        }
    }
}
