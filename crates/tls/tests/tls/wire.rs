//! Handshakes as clients do them, and addresses to do them on.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Generous, for busy machines.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// An address of loopback that no other test uses.
pub(crate) fn address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let process = u8::try_from(std::process::id() % 200).unwrap() + 10;
    (Ipv4Addr::new(127, process, high | 0x80, low), 18443).into()
}

/// A client that trusts the certificates of a PEM file and nothing else.
pub(crate) fn trusting(pem: &[u8]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    // A session that is resumed shows the certificate that it began with.
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// A handshake; the certificate that was shown is in `peer_certificates`.
pub(crate) async fn connect(
    config: &Arc<ClientConfig>,
    address: SocketAddr,
    host: &str,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let socket = TcpStream::connect(address).await?;
    timeout(SOON, TlsConnector::from(Arc::clone(config)).connect(name, socket))
        .await
        .expect("no handshake in time")
}

/// The certificate that was shown.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}
