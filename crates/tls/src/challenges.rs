//! What ACME servers are shown to prove that a host is ours: texts over HTTP, certificates over TLS.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use crate::limits::MAX_CHALLENGES;
use crate::template::Template;

/// Where texts are asked for (RFC 8555, section 8.3).
const HTTP_PATH: &str = "/.well-known/acme-challenge/";

/// The answers that wait to be asked for.
#[derive(Debug, Default)]
pub(crate) struct Challenges {
    texts: RwLock<HashMap<String, Bytes>>,
    certificates: RwLock<HashMap<String, Arc<ServerConfig>>>,
}

impl Challenges {
    /// The text for a path, when it is one that an ACME server was told of.
    pub(crate) fn text(&self, path: &str) -> Option<Bytes> {
        let token = path.strip_prefix(HTTP_PATH)?;
        self.texts.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    /// Answers a token with a text from now on.
    pub(crate) fn add_text(&self, token: &str, text: &str) {
        let mut texts = self.texts.write().unwrap_or_else(PoisonError::into_inner);
        if texts.len() < MAX_CHALLENGES {
            texts.insert(token.to_owned(), Bytes::copy_from_slice(text.as_bytes()));
        }
    }

    /// The same no more.
    pub(crate) fn remove_text(&self, token: &str) {
        self.texts.write().unwrap_or_else(PoisonError::into_inner).remove(token);
    }

    /// How the certificate for a host's challenge is shown, when there is one.
    pub(crate) fn certificate(&self, host: &str) -> Option<Arc<ServerConfig>> {
        self.certificates.read().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }

    /// Shows a certificate with this digest of a key authorization for the host from now on (RFC 8737, section 3).
    ///
    /// # Errors
    /// A host that no certificate can hold, or no randomness.
    pub(crate) fn add_certificate(
        &self,
        host: &str,
        digest: &[u8],
        template: &Template,
    ) -> Result<(), String> {
        let key = certificate(host, digest).map_err(|error| error.to_string())?;
        let mut certificates = self.certificates.write().unwrap_or_else(PoisonError::into_inner);
        if certificates.len() < MAX_CHALLENGES {
            certificates.insert(host.to_owned(), template.of_challenge(key));
        }
        Ok(())
    }

    /// The same no more.
    pub(crate) fn remove_certificate(&self, host: &str) {
        self.certificates.write().unwrap_or_else(PoisonError::into_inner).remove(host);
    }
}

fn certificate(host: &str, digest: &[u8]) -> Result<CertifiedKey, Box<dyn std::error::Error>> {
    let mut parameters = CertificateParams::new(vec![host.to_owned()])?;
    parameters.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = parameters.self_signed(&key)?;
    let signing = any_supported_type(&PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())))?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], signing))
}
