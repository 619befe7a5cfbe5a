//! A chain of certificates and its key, checked against each other: what a handshake needs.

use std::sync::{Arc, OnceLock};

use landfall_model::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::facts::Facts;
use crate::limits::MAX_CHAIN;

/// A chain and its key.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) key: Arc<CertifiedKey>,
    pub(crate) facts: Facts,
    /// How it is served; made at the first handshake.
    pub(crate) config: OnceLock<Arc<ServerConfig>>,
}

/// What is wrong with a chain or a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("holds no certificate in PEM form (`-----BEGIN CERTIFICATE-----`)")]
    NoCertificate,
    #[error("is broken: {0}")]
    BrokenCertificate(String),
    #[error("has {0} certificates; a chain has at most {MAX_CHAIN}")]
    TooLong(usize),
    #[error(
        "has its certificates in the wrong order: the host's own must be first, each followed by its issuer's"
    )]
    WrongOrder,
    #[error("holds no key in PEM form (`-----BEGIN PRIVATE KEY-----`)")]
    NoKey,
    #[error(
        "is encrypted; Landfall has nobody to ask for its password: store it decrypted, readable to this user alone"
    )]
    EncryptedKey,
    #[error("is broken: {0}")]
    BrokenKey(String),
    #[error(
        "is of a kind that is not supported: RSA of 2048 bits or more, ECDSA on P-256 or P-384 and Ed25519 are ({0})"
    )]
    UnknownKey(String),
    #[error("is not the key of the certificate")]
    Mismatch,
    #[error("expired at {0}")]
    Expired(Timestamp),
    #[error("is good only from {from}, and this machine's clock says {now}")]
    NotYet { from: Timestamp, now: Timestamp },
    #[error("is not good for `{host}`, only for {names}")]
    WrongHost { host: String, names: String },
}

impl Flaw {
    /// Whether it is the key's file that has it.
    pub(crate) fn is_of_key(&self) -> bool {
        matches!(
            self,
            Self::NoKey | Self::EncryptedKey | Self::BrokenKey(_) | Self::UnknownKey(_) | Self::Mismatch
        )
    }
}

impl Pair {
    /// Puts a chain and a key together, both PEM.
    ///
    /// # Errors
    /// The first flaw found; whether it is good for a host and at a time is another question.
    pub(crate) fn parse(chain: &[u8], key: &[u8]) -> Result<Self, Flaw> {
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| Flaw::BrokenCertificate(error.to_string()))?;
        if chain.is_empty() {
            return Err(Flaw::NoCertificate);
        }
        Self::of(chain, &read_key(key)?)
    }

    /// The same, of what is in DER form already.
    ///
    /// # Errors
    /// The first flaw found.
    pub(crate) fn of(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'_>) -> Result<Self, Flaw> {
        if chain.len() > MAX_CHAIN {
            return Err(Flaw::TooLong(chain.len()));
        }
        let facts = chain.iter().map(|der| Facts::read(der)).collect::<Result<Vec<_>, _>>();
        let facts = facts.map_err(Flaw::BrokenCertificate)?;
        let first = facts.first().cloned().ok_or(Flaw::NoCertificate)?;
        let signing = any_supported_type(key).map_err(|error| Flaw::UnknownKey(error.to_string()))?;
        let fits = |der: &CertificateDer<'static>| {
            CertifiedKey::new(vec![der.clone()], Arc::clone(&signing)).keys_match().is_ok()
        };
        if !fits(&chain[0]) {
            return Err(if chain.iter().any(fits) { Flaw::WrongOrder } else { Flaw::Mismatch });
        }
        if facts.windows(2).any(|two| two[0].issuer_raw != two[1].subject_raw) {
            return Err(Flaw::WrongOrder);
        }
        let key = Arc::new(CertifiedKey::new(chain, signing));
        Ok(Self { key, facts: first, config: OnceLock::new() })
    }

    /// Whether it is good for a host (any for `*`) at a time.
    ///
    /// # Errors
    /// Why it is not.
    pub(crate) fn check(&self, host: &str, now: Timestamp) -> Result<(), Flaw> {
        let facts = &self.facts;
        if host != "*" && !facts.covers(host) {
            let names = match facts.names.join(", ") {
                none if none.is_empty() => "no name at all".to_owned(),
                names => names,
            };
            return Err(Flaw::WrongHost { host: host.to_owned(), names });
        }
        if facts.not_after <= now {
            return Err(Flaw::Expired(facts.not_after));
        }
        if facts.not_before > now {
            return Err(Flaw::NotYet { from: facts.not_before, now });
        }
        Ok(())
    }
}

fn read_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Flaw> {
    let text = String::from_utf8_lossy(pem);
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(Flaw::EncryptedKey);
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => Flaw::NoKey,
        error => Flaw::BrokenKey(error.to_string()),
    })
}
