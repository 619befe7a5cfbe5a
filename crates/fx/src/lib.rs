//! The effects that a simulation must be able to replace, as small traits, beside their real forms.
//!
//! A library that speaks a protocol stays in the one crate that needs it; here are only the seams: clock, randomness,
//! durable files, and what the engine does to a host. The simulated forms are in `testkit`.

mod build;
mod clock;
mod files;
pub mod host;
mod random;
mod state;
mod tls_dir;

pub use build::build_id;
pub use clock::{Clock, SystemClock};
pub use files::{Files, RealFiles};
pub use random::{Random, SystemRandom};
pub use state::{StateDir, StateDirError};
pub use tls_dir::TlsDir;
