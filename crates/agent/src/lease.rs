//! The deploy lock, held and renewed while a transaction runs.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use landfall_engine::lease::{HEARTBEAT, LEASE, acquire, release, renew};
use landfall_model::{AppName, EnvironmentName, Fault, FaultKind, Retry, Timestamp};

use crate::host::LocalHost;
use crate::state::PlaceLease;

/// A lease with its heart: a thread that renews it, also while a step takes long.
pub(crate) struct Held {
    place: Place,
    beat: Arc<Mutex<Beat>>,
    heart: Option<(Sender<()>, JoinHandle<()>)>,
}

#[derive(Clone)]
struct Place {
    host: Arc<LocalHost>,
    app: AppName,
    environment: EnvironmentName,
    token: u64,
}

/// How the last renewal went.
struct Beat {
    at: Timestamp,
    lost: Option<Fault>,
}

impl Place {
    fn store(&self) -> PlaceLease<'_> {
        PlaceLease { state: self.host.state(), app: &self.app, environment: &self.environment }
    }

    fn renew(&self, beat: &Mutex<Beat>) {
        let renewed = renew(&self.store(), self.token, self.host.clock().now());
        let mut beat = beat.lock().unwrap_or_else(PoisonError::into_inner);
        match renewed {
            Ok(lease) => beat.at = lease.heartbeat,
            Err(fault) if fault.kind == FaultKind::Interrupted => beat.lost = Some(fault),
            // A state that cannot be written now may be writable at the next beat; the fence watches the age.
            Err(_) => {}
        }
    }
}

impl Held {
    /// Takes the lease and keeps it alive until it is released.
    pub(crate) fn take(
        host: &Arc<LocalHost>,
        app: &AppName,
        environment: &EnvironmentName,
        holder: &str,
    ) -> Result<Self, Fault> {
        let now = host.clock().now();
        let lease = acquire(&PlaceLease { state: host.state(), app, environment }, now, holder)?;
        let place = Place {
            host: Arc::clone(host),
            app: app.clone(),
            environment: environment.clone(),
            token: lease.token,
        };
        let beat = Arc::new(Mutex::new(Beat { at: now, lost: None }));
        let (stop, stopped) = channel();
        let (beating, beaten) = (place.clone(), Arc::clone(&beat));
        let thread = thread::Builder::new().name("lease".to_owned()).spawn(move || {
            while stopped.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                beating.renew(&beaten);
            }
        });
        let thread =
            thread.map_err(|e| Fault::machine(format!("no thread to renew the deploy lock: {e}")))?;
        Ok(Self { place, beat, heart: Some((stop, thread)) })
    }

    /// Whether it is still ours.
    ///
    /// # Errors
    /// When another took it, or when it could not be renewed for so long that another may.
    pub(crate) fn fence(&self) -> Result<(), Fault> {
        let now = self.place.host.clock().now();
        let age = |beat: &Beat| now.since(beat.at).max(beat.at.since(now));
        let stale = age(&self.beat.lock().unwrap_or_else(PoisonError::into_inner)) >= LEASE;
        if stale {
            // The clock jumped or the disk was stuck: ask once more before giving up.
            self.place.renew(&self.beat);
        }
        let beat = self.beat.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lost) = &beat.lost {
            return Err(lost.clone());
        }
        if age(&beat) >= LEASE {
            let fault = Fault::machine("the deploy lock could not be renewed: the state cannot be written");
            return Err(Fault { retry: Retry::Safe, ..fault.kind(FaultKind::Interrupted) });
        }
        Ok(())
    }

    /// Gives it back.
    pub(crate) fn release(mut self) {
        self.stop_heart();
        // One that cannot be given back expires.
        let _ = release(&self.place.store(), self.place.token, self.place.host.clock().now());
    }

    fn stop_heart(&mut self) {
        if let Some((stop, thread)) = self.heart.take() {
            drop(stop);
            // A heart that panicked beats no more, which is all that is wanted here.
            let _ = thread.join();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.stop_heart();
    }
}
