//! Ctrl-C and SIGTERM as events.

use landfall_model::Fault;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// Requests to stop, counted from when this is made on; before that they end the process as usual.
pub(crate) struct Interrupts {
    keys: Signal,
    ended: Signal,
}

impl Interrupts {
    /// Starts to listen.
    ///
    /// # Errors
    /// When the system lets no handler be set.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Fault::internal(format!("signals cannot be listened for: {error}")))
        };
        Ok(Self { keys: listen(SignalKind::interrupt())?, ended: listen(SignalKind::terminate())? })
    }

    /// Waits for the next one. Nothing is lost when the wait is given up.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.keys.recv() => {}
            _ = self.ended.recv() => {}
        }
    }
}
