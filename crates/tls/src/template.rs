//! How a certificate is served: one configuration of handshakes for each, made when it is first needed.

use std::sync::Arc;

use landfall_model::Fault;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::pair::Pair;

/// The protocol in which an ACME server looks at a challenge (RFC 8737, section 6.1).
pub(crate) const ACME_TLS: &[u8] = b"acme-tls/1";
/// HTTP/2 (RFC 9113, section 3.1).
const H2: &[u8] = b"h2";
/// HTTP/1.1 (RFC 7301, section 6).
const HTTP_1: &[u8] = b"http/1.1";

/// What all configurations share: TLS 1.2 and 1.3, and the key of session tickets, so that a client resumes on any
/// worker and after a change of certificate.
pub(crate) struct Template {
    provider: Arc<CryptoProvider>,
    tickets: Arc<dyn ProducesTickets>,
    protocols: Vec<Vec<u8>>,
}

impl Template {
    /// # Errors
    /// When the system gives no randomness.
    pub(crate) fn new(http2: bool) -> Result<Self, Fault> {
        let tickets = rustls::crypto::ring::Ticketer::new()
            .map_err(|error| Fault::internal(format!("no key for session tickets: {error}")))?;
        let offered: &[&[u8]] = if http2 { &[H2, HTTP_1] } else { &[HTTP_1] };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Ok(Self { provider, tickets, protocols: offered.iter().map(|name| name.to_vec()).collect() })
    }

    /// How a certificate is served to browsers.
    pub(crate) fn of(&self, pair: &Pair) -> Arc<ServerConfig> {
        let make = || {
            let mut config = self.config(Arc::clone(&pair.key));
            config.alpn_protocols.clone_from(&self.protocols);
            config.ticketer = Arc::clone(&self.tickets);
            Arc::new(config)
        };
        Arc::clone(pair.config.get_or_init(make))
    }

    /// How the answer to a challenge is served to an ACME server.
    pub(crate) fn of_challenge(&self, key: CertifiedKey) -> Arc<ServerConfig> {
        let mut config = self.config(Arc::new(key));
        config.alpn_protocols = vec![ACME_TLS.to_vec()];
        config.send_tls13_tickets = 0;
        Arc::new(config)
    }

    fn config(&self, key: Arc<CertifiedKey>) -> ServerConfig {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .expect("ring has cipher suites for TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
        // Tickets hold the state of sessions; nothing is kept here.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config
    }
}
