//! A client of any OCI registry: pushes from the image store and pulls into it, by digest.
//!
//! Own and not one of the ready ones: those read or write whole blobs, or know neither Docker's credential helpers nor how
//! an upload goes on after a cut. Sources: distribution specification 1.1, Docker's token authentication specification.

mod challenge;
mod credentials;
mod faults;
mod hop;
mod login;
mod place;
mod proxies;
mod pull;
mod push;
mod transport;
mod trust;
mod upload;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use landfall_fx::Clock;
use landfall_model::Fault;

pub use credentials::{Credential, DockerConfig};
pub use place::{Place, Reference};
pub use proxies::Proxies;
pub use pull::Pulled;
pub use push::Pushed;

use self::login::Tokens;
use self::transport::Http;

/// How often and how long a client tries.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Tries without any progress.
    pub tries: u32,
    /// The wait before the second try; each is twice the one before.
    pub first: Duration,
    /// The longest wait, also when a registry asks for more.
    pub longest: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { tries: 6, first: Duration::from_millis(500), longest: Duration::from_secs(30) }
    }
}

/// A client of one registry. Clones share connections and tokens.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    place: Place,
    credential: Credential,
    proxies: Arc<Proxies>,
    patience: Patience,
    clock: Arc<dyn Clock>,
    http: Http,
    tokens: Mutex<Tokens>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.inner.place.host())
    }
}

impl Client {
    /// A client of the registry of `place`, as somebody, by the ways out of this machine. Nothing is asked yet.
    ///
    /// # Errors
    /// An authority's certificate that cannot be read; no authorities at all.
    pub fn new(
        place: Place,
        credential: Credential,
        proxies: Proxies,
        patience: Patience,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Fault> {
        let proxies = Arc::new(proxies);
        let http = transport::http(&place, &proxies)?;
        let tokens = Mutex::default();
        Ok(Self { inner: Arc::new(Inner { place, credential, proxies, patience, clock, http, tokens }) })
    }

    /// Where it goes.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.inner.place
    }
}
