//! Makes the clients of this machine believe the host's own authority, and undoes it: the system's list of authorities, and
//! the databases of browsers that have one of their own. Says exactly what was done, or what a person must run.

mod browsers;
mod run;
mod system;

use std::path::{Path, PathBuf};

use landfall_fx::Clock;
use landfall_model::Digest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::Authority;
use run::Runner;

/// Where clients of this machine look for authorities.
pub struct Trust<'a> {
    /// The root of the file system, `/`.
    pub root: PathBuf,
    /// The home of the person whose browsers are meant; none for the system's list alone.
    pub home: Option<PathBuf>,
    /// Limits how long the system's own commands may take.
    pub clock: &'a dyn Clock,
}

/// What became of one store of authorities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// What it is and where: `the system's list (/usr/local/share/ca-certificates)`.
    pub name: String,
    /// What was done.
    pub outcome: Outcome,
}

/// What was done to a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was changed as asked; what was run and written, a line each.
    Changed(Vec<String>),
    /// It already was as asked.
    Unchanged,
    /// This user may not, or a tool is missing.
    Needs {
        /// Why, one sentence.
        why: String,
        /// The command lines that a person must run.
        run: Vec<String>,
    },
}

/// The root of an authority as stores know it.
pub(crate) struct Root {
    pub(crate) path: PathBuf,
    pub(crate) der: CertificateDer<'static>,
    pub(crate) pem: Vec<u8>,
    /// Unlike that of any other authority: `landfall-1f2e3d4c`.
    pub(crate) name: String,
}

impl Root {
    fn of(authority: &Authority) -> Self {
        let der = authority.certificate().clone();
        let name = format!("landfall-{}", Digest::of(&der).short());
        let pem = authority.pem().as_bytes().to_vec();
        Self { path: authority.path().to_owned(), der, pem, name }
    }
}

impl Trust<'_> {
    /// Makes every store that is found believe the authority. Doing it again changes nothing.
    #[must_use]
    pub fn install(&self, authority: &Authority) -> Vec<Store> {
        self.each(authority, true)
    }

    /// Makes every store that is found forget the authority. Doing it again changes nothing.
    #[must_use]
    pub fn uninstall(&self, authority: &Authority) -> Vec<Store> {
        self.each(authority, false)
    }

    /// Whether the system's list has the authority. `None` when this machine has no list that is known.
    #[must_use]
    pub fn is_trusted(&self, authority: &Authority) -> Option<bool> {
        system::has(&self.root, &Root::of(authority), &self.runner())
    }

    fn each(&self, authority: &Authority, wanted: bool) -> Vec<Store> {
        let (root, runner) = (Root::of(authority), self.runner());
        let mut stores = vec![system::set(&self.root, &root, wanted, &runner)];
        if let Some(home) = &self.home {
            stores.extend(browsers::set(home, &root, wanted, &runner));
        }
        stores
    }

    fn runner(&self) -> Runner<'_> {
        Runner { clock: self.clock }
    }
}

/// Whether a PEM file has a certificate.
pub(crate) fn holds(file: &Path, certificate: &CertificateDer<'_>) -> bool {
    let found = CertificateDer::pem_file_iter(file).into_iter().flatten();
    found.filter_map(Result::ok).any(|one| one == *certificate)
}
