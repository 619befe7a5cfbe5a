//! Containers: what one is to be, what one is, and ruling it.

mod control;
mod info;
mod spec;

pub use info::{Container, Health, State};
pub use spec::{Attachment, ContainerSpec, HealthCheck, Mount, Networking, Restart};
