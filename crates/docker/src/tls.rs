//! TLS to an engine's port, by the variables and files of Docker's command line.
//!
//! Source: "Protect the Docker daemon socket" in Docker's documentation. `DOCKER_TLS_VERIFY` asks for it, `DOCKER_CERT_PATH`
//! names the folder with `ca.pem`, `cert.pem` and `key.pem`.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use landfall_model::Fault;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Whom engines are believed to be, and who one is to them.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    folder: PathBuf,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tls({})", self.folder.display())
    }
}

impl Tls {
    /// Reads what an environment asks for; `None` without `DOCKER_TLS_VERIFY`. The folder is `DOCKER_CERT_PATH`, else
    /// `DOCKER_CONFIG`, else `~/.docker`. Without `cert.pem` and `key.pem` one is nobody, which some engines allow.
    ///
    /// # Errors
    /// A file that is missing or none of its kind. A wish for TLS that checks nobody (`DOCKER_TLS` alone) is refused.
    pub fn read(variables: &BTreeMap<String, String>) -> Result<Option<Self>, Fault> {
        let set = |name: &str| variables.get(name).filter(|value| !value.is_empty());
        if set("DOCKER_TLS_VERIFY").is_none() {
            return match set("DOCKER_TLS") {
                None => Ok(None),
                Some(_) => Err(Fault::usage("DOCKER_TLS asks for TLS to whoever answers").help(
                    "set DOCKER_TLS_VERIFY=1, with the authority's certificate as ca.pem in DOCKER_CERT_PATH",
                )),
            };
        }
        let home = || set("HOME").map(|home| Path::new(home).join(".docker"));
        let given = set("DOCKER_CERT_PATH").or_else(|| set("DOCKER_CONFIG")).map(PathBuf::from);
        let folder = given.or_else(home).unwrap_or_default();
        let config = config(&folder)?;
        Ok(Some(Self { config: Arc::new(config), folder }))
    }

    /// The same for the engine that a `DOCKER_HOST` names: `None` for one that is not reached over TCP.
    ///
    /// # Errors
    /// As [`Tls::read`].
    pub fn of(host: Option<&str>, variables: &BTreeMap<String, String>) -> Result<Option<Self>, Fault> {
        if host.is_some_and(|host| host.starts_with("tcp://")) { Self::read(variables) } else { Ok(None) }
    }

    /// Shakes hands over a connection to `address` (`HOST:PORT`).
    pub(crate) async fn connect(&self, address: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await
    }
}

fn config(folder: &Path) -> Result<ClientConfig, Fault> {
    let wrong = |name: &str, why: &dyn fmt::Display| {
        Fault::machine(format!("{} cannot be used: {why}", folder.join(name).display())).help(
            "DOCKER_CERT_PATH names a folder with ca.pem, cert.pem and key.pem; without TLS unset DOCKER_TLS_VERIFY",
        )
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(folder, "ca.pem").map_err(|why| wrong("ca.pem", &why))? {
        roots.add(certificate).map_err(|why| wrong("ca.pem", &why))?;
    }
    if roots.is_empty() {
        return Err(wrong("ca.pem", &"it holds no certificate"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions.map_err(|error| Fault::internal(format!("TLS cannot be set up: {error}")))?;
    let known = versions.with_root_certificates(roots);
    if !folder.join("cert.pem").exists() && !folder.join("key.pem").exists() {
        return Ok(known.with_no_client_auth());
    }
    let chain = certificates(folder, "cert.pem").map_err(|why| wrong("cert.pem", &why))?;
    let text = fs::read(folder.join("key.pem")).map_err(|why| wrong("key.pem", &why))?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|why| wrong("key.pem", &why))?;
    known.with_client_auth_cert(chain, key).map_err(|why| wrong("cert.pem", &why))
}

fn certificates(folder: &Path, name: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let text = fs::read(folder.join(name))?;
    CertificateDer::pem_slice_iter(&text).map(|read| read.map_err(io::Error::other)).collect()
}
