//! The shim's own look at the clocks: it knows nothing of the seam through which others read them.

use std::time::{Duration, Instant, SystemTime};

use landfall_model::Timestamp;

/// The wall clock, for what is shown and stored.
#[expect(clippy::disallowed_methods, reason = "a shim is real by nature: no simulation ever runs one")]
pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

/// The wall clock as RFC 3339 with microseconds: `2026-11-20T13:15:02.120345Z`.
#[expect(clippy::disallowed_methods, reason = "a shim is real by nature: no simulation ever runs one")]
pub(crate) fn stamp() -> String {
    let time = SystemTime::now();
    let micros = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().subsec_micros() % 1000;
    let mut text = Timestamp::from(time).to_string();
    text.pop();
    text.push_str(&format!("{micros:03}Z"));
    text
}

/// Time since this clock was made; never goes back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Monotonic(Instant);

impl Monotonic {
    /// A clock at zero.
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    /// How far it has gone.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
