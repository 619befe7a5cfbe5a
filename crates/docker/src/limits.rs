//! How long an engine is waited for: each wait of this crate has its name here.

use std::time::Duration;

/// For a connection to be there: a unix socket, TCP, or `ssh` with its log-in.
pub(crate) const CONNECT: Duration = Duration::from_secs(20);

/// For an answer to begin. A busy engine that removes a large image takes seconds, one that hangs takes for ever.
pub(crate) const ANSWER: Duration = Duration::from_secs(120);

/// What a stop may take beyond the grace that its container was given.
pub(crate) const STOP_MARGIN: Duration = Duration::from_secs(30);

/// For another call to let go of a container that is to be removed …
pub(crate) const HELD: Duration = Duration::from_secs(60);
/// … and how often it is tried.
pub(crate) const HELD_EVERY: Duration = Duration::from_millis(100);

/// For a command that has closed its output to end …
pub(crate) const EXIT_CODE: Duration = Duration::from_secs(60);
/// … or for the number of its process to be known, which may come after its first output …
pub(crate) const PID: Duration = Duration::from_secs(10);
/// … and how often it is looked at.
pub(crate) const EXEC_EVERY: Duration = Duration::from_millis(20);

/// For a way back through `ssh` to be there: it logs in anew for it.
pub(crate) const TUNNEL: Duration = Duration::from_secs(20);

/// For `ssh` to say why it failed …
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);
/// … and how often it is listened for.
pub(crate) const LAST_WORDS_EVERY: Duration = Duration::from_millis(10);
