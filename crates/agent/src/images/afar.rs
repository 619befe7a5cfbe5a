//! An image from an engine of another machine: pushed through a way back, so that only layers travel that the store does
//! not have.

use landfall_docker::{Engine, ImageId};
use landfall_fx::SystemRandom;
use landfall_model::{Digest, Fault};
use landfall_oci::Repository;
use landfall_oci::server::{self, Access};
use tokio::task::JoinHandle;

use super::carry::Lines;
use super::{fresh_token, no_port};
use crate::host::LocalHost;

/// A registry that ends when this is dropped.
struct Passing(JoinHandle<()>);

impl Drop for Passing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl LocalHost {
    /// Has an engine elsewhere push an image. What it pushes to, and the way there, are there for this one push: a
    /// registry with the service's repository alone, for a token that nobody else ever has. Whoever else is on the
    /// engine's machine gets nothing through it.
    ///
    /// # Errors
    /// A server that forwards no ports; an engine that cannot reach its own machine's loopback, or fails to push.
    pub(super) async fn take_push_from_afar(
        &self,
        engine: &Engine,
        image: &ImageId,
        repository: &Repository,
        lines: &mut Lines<'_>,
    ) -> Result<Digest, Fault> {
        let token = fresh_token()?;
        let listener = server::listen(None).await.map_err(|error| no_port(&error))?;
        let port = listener.local_addr().map_err(|error| no_port(&error))?.port();
        let access = Access::closed(token.clone(), repository.clone());
        let random = Box::new(SystemRandom);
        let served = server::serve(self.images()?.clone(), access, random, listener, std::future::pending());
        let _passing = Passing(tokio::spawn(served));
        let tunnel = engine.tunnel(port).await?;
        let host = format!("127.0.0.1:{}", tunnel.port());
        self.take_push(engine, image, (&host, &token), repository, lines).await
    }
}
