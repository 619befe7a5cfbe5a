//! Whom a registry's certificate may come from: the machine's authorities, and those that the engine was given for that
//! registry alone (`/etc/docker/certs.d/HOST/*.crt`, Docker's "Verify repository client with certificates").

use std::path::{Path, PathBuf};
use std::sync::Arc;

use landfall_model::Fault;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::place::Place;

/// Where engines look.
const FOLDER: &str = "/etc/docker/certs.d";

/// What TLS connections are checked with.
///
/// # Errors
/// A certificate that cannot be read; no authority at all.
pub(super) fn config(place: &Place) -> Result<ClientConfig, Fault> {
    let mut roots = RootCertStore::empty();
    for path in given(&Path::new(FOLDER).join(place.host())) {
        let broken = |why: String| {
            Fault::machine(format!("the registry's authority {} cannot be used: {why}", path.display()))
                .help("put its certificate there in PEM form, or remove the file")
        };
        let pem = std::fs::read(&path).map_err(|error| broken(error.to_string()))?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let added = certificate.map_err(|error| error.to_string());
            added.and_then(|it| roots.add(it).map_err(|error| error.to_string())).map_err(broken)?;
        }
    }
    // What cannot be read or is no root is of no use; others may be.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() && !place.is_plain() {
        return Err(Fault::machine(
            "this machine has no list of well-known authorities to check a registry against",
        )
        .help("install `ca-certificates`"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions.map_err(|error| Fault::internal(format!("TLS cannot be set up: {error}")))?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

fn given(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "crt")).collect()
}
