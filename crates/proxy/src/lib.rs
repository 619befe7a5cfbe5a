//! The data plane: routes, health, holding, atomic switches, draining, metering. Never hears of a deployment.

mod access;
mod applications;
mod client;
mod config;
mod control;
mod data;
mod error;
mod files;
mod handover;
mod health;
mod holder;
mod limits;
mod listen;
mod metrics;
mod page;
mod plane;
mod report;
mod run;
mod secure;
mod state;
mod status;
mod store;
mod wire;

pub use access::LogOptions;
pub use client::Client;
pub use config::{Backend, HealthCheck, HoldLimits, HttpOptions, Options, Pool, RouteConfig, Share};
pub use error::{ClientError, Error};
pub use run::run;
pub use wire::{
    BackendStatus, Hold, ListenerStatus, Meter, OpenStreams, PoolStatus, RouteStatus, Sample, Status,
};

/// Tells two builds apart: [`landfall_fx::build_id`] of the executable that runs, which stays what it was when its file is
/// replaced. Empty where that cannot be read.
#[must_use]
pub fn build() -> String {
    landfall_fx::build_id(std::path::Path::new("/proc/self/exe")).unwrap_or_default()
}

/// Says anything at all to the control API of a proxy whose files are in `folder`, which is new; see `fuzz/`.
///
/// # Panics
/// When a promise is broken.
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub fn fuzz_control(data: &[u8], folder: &std::path::Path) {
    let _ = control::fuzz(data, folder);
}
