//! The Docker engine of this host: connected to when it is first needed, and asked again while it is not there.

use landfall_docker::Engine;
use landfall_model::Fault;
use tokio::sync::Mutex;

/// The connection, once there is one.
#[derive(Debug, Default)]
pub(crate) struct Engines {
    known: Mutex<Option<Engine>>,
}

impl Engines {
    /// The engine at `host` (a `DOCKER_HOST`), or the machine's own.
    ///
    /// # Errors
    /// No engine, one that may not be used or is too old; see [`Engine::connect`].
    pub(crate) async fn get(&self, host: Option<&str>) -> Result<Engine, Fault> {
        let mut known = self.known.lock().await;
        if let Some(engine) = &*known {
            return Ok(engine.clone());
        }
        let engine = Engine::connect(host.filter(|host| !host.is_empty())).await?;
        Ok(known.insert(engine).clone())
    }
}
