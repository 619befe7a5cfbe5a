//! Where certificates and their keys are kept: a folder of the state, mode 0700, its files 0600.

use std::path::{Path, PathBuf};

use landfall_model::Digest;

/// The layout of the folder with certificates. Knows paths; makes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsDir {
    root: PathBuf,
}

impl TlsDir {
    /// The layout below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file that a proxy which orders certificates holds locked.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// The folder of the host's own authority.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.root.join("authority")
    }

    /// The certificate of the host's own authority, PEM: what clients are made to trust.
    #[must_use]
    pub fn authority_certificate(&self) -> PathBuf {
        self.authority().join("root.pem")
    }

    /// Its key, PEM.
    #[must_use]
    pub fn authority_key(&self) -> PathBuf {
        self.authority().join("root.key")
    }

    /// The file that is locked while the authority is made.
    #[must_use]
    pub fn authority_lock(&self) -> PathBuf {
        self.authority().join("lock")
    }

    /// Everything from one ACME server, known by the URL of its directory.
    #[must_use]
    pub fn acme(&self, directory: &str) -> PathBuf {
        self.root.join("acme").join(Digest::of(directory.as_bytes()).short())
    }

    /// The account with an ACME server, JSON.
    #[must_use]
    pub fn acme_account(&self, directory: &str) -> PathBuf {
        self.acme(directory).join("account.json")
    }

    /// The key and the chain of a host from an ACME server, in one PEM file. `host` is a checked host name.
    #[must_use]
    pub fn acme_certificate(&self, directory: &str, host: &str) -> PathBuf {
        self.acme(directory).join(format!("hosts/{host}.pem"))
    }

    /// What is under way for a host with an ACME server, JSON. `host` is a checked host name.
    #[must_use]
    pub fn acme_progress(&self, directory: &str, host: &str) -> PathBuf {
        self.acme(directory).join(format!("hosts/{host}.json"))
    }
}
