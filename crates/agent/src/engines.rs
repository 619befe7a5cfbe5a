//! The Docker engines that are worked with: connected to when first needed, and asked again while they are not there.

use std::collections::BTreeMap;

use landfall_docker::Engine;
use landfall_model::Fault;
use tokio::sync::Mutex;

/// The most engines that are remembered: the host's own, and builders.
const MAX_KNOWN: usize = 16;

/// The connections, by what names them; `""` is the machine's own.
#[derive(Debug, Default)]
pub(crate) struct Engines {
    known: Mutex<BTreeMap<String, Engine>>,
}

impl Engines {
    /// The engine at `host` (a `DOCKER_HOST`), or the machine's own.
    ///
    /// # Errors
    /// No engine, one that may not be used or is too old; see [`Engine::connect`].
    pub(crate) async fn get(&self, host: Option<&str>) -> Result<Engine, Fault> {
        let host = host.unwrap_or_default();
        let mut known = self.known.lock().await;
        if let Some(engine) = known.get(host) {
            return Ok(engine.clone());
        }
        let engine = Engine::connect(Some(host).filter(|host| !host.is_empty())).await?;
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(host.to_owned(), engine.clone());
        Ok(engine)
    }
}
