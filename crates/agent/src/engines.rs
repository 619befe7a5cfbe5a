//! The Docker engines that are worked with: connected to when first needed, and asked again while they are not there. One
//! that hangs holds up nobody but who needs it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use landfall_docker::{Engine, Tls};
use landfall_model::Fault;
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// The most engines that are remembered: the host's own, and builders.
const MAX_KNOWN: usize = 16;

/// How long an engine may take until it has said what it is.
const CONNECT: Duration = Duration::from_secs(60);

/// The connections, by what names them; `""` is the machine's own.
#[derive(Debug)]
pub(crate) struct Engines {
    known: Mutex<BTreeMap<String, Arc<OnceCell<Engine>>>>,
    /// How long one may take.
    patience: Duration,
}

impl Default for Engines {
    fn default() -> Self {
        Self { known: Mutex::default(), patience: CONNECT }
    }
}

impl Engines {
    /// The engine at `host` (a `DOCKER_HOST`), or the machine's own; by TLS where `variables` ask for it. Who asks for one
    /// that is being connected to waits for that.
    ///
    /// # Errors
    /// No engine, one that may not be used, is too old or says nothing for a minute; see [`Engine::connect`].
    pub(crate) async fn get(
        &self,
        host: Option<&str>,
        variables: &BTreeMap<String, String>,
    ) -> Result<Engine, Fault> {
        let host = host.unwrap_or_default();
        let cell = self.cell(host);
        let engine = cell.get_or_try_init(|| async {
            let tls = Tls::of(Some(host), variables)?;
            let connected = Engine::connect(Some(host).filter(|host| !host.is_empty()), tls);
            timeout(self.patience, connected).await.unwrap_or_else(|_| Err(silent(host)))
        });
        engine.await.cloned()
    }

    fn cell(&self, host: &str) -> Arc<OnceCell<Engine>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(host) && known.len() >= MAX_KNOWN {
            known.clear();
        }
        Arc::clone(known.entry(host.to_owned()).or_default())
    }
}

fn silent(host: &str) -> Fault {
    let which = if host.is_empty() { "the machine's Docker engine" } else { host };
    Fault::machine(format!("{which} takes connections, and does not say what it is"))
        .help("look what it does (`docker info`, its log), restart it if it hangs, then try again")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An engine that takes connections and says nothing.
    fn hanging() -> (tokio::net::UnixListener, tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        (listener, folder, format!("unix://{}", path.display()))
    }

    #[tokio::test]
    async fn an_engine_that_hangs_holds_up_no_other() {
        let engines = Arc::new(Engines::default());
        let (_listener, _folder, address) = hanging();
        let first = tokio::spawn({
            let (engines, address) = (Arc::clone(&engines), address.clone());
            async move { engines.get(Some(&address), &BTreeMap::new()).await }
        });
        while engines.known.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let none = BTreeMap::new();
        let other = engines.get(Some("unix:///nothing/listens/here"), &none);
        let other = timeout(Duration::from_secs(20), other).await;
        assert!(other.expect("it is not waited for").is_err());
        assert!(!first.is_finished());
        first.abort();
    }

    #[tokio::test]
    async fn an_engine_that_hangs_is_given_up() {
        let (_listener, _folder, address) = hanging();
        let engines = Engines { patience: Duration::from_millis(50), ..Engines::default() };
        let fault = engines.get(Some(&address), &BTreeMap::new()).await.unwrap_err();
        assert!(fault.message.contains("does not say what it is"), "{fault}");
    }
}
