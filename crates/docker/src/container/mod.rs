//! Containers: what one is to be, what one is, and ruling it.

mod attach;
mod control;
mod host_process;
mod info;
mod logs;
mod spec;
mod watch;

pub use attach::{ExecSpec, Input, Output};
pub use info::{Container, Health, Listed, State};
pub use logs::{LogLine, LogOptions, Logs};
pub use spec::{Attachment, ContainerSpec, HealthCheck, Mount, Networking, Restart};
pub use watch::Usage;
