//! The Engine API of Docker: one `Engine` for each engine, reached over a unix socket, TCP or ssh; images, containers
//! and networks as plain data; an engine's errors as `Fault`s that say what to do.
//!
//! It knows nothing of releases: who calls names things, labels them and decides. Everything but a build's context and
//! what is streamed fits in memory, each wait has a named limit in `limits`.

mod about;
mod address;
mod build;
mod container;
mod engine;
mod fault;
mod image;
mod labels;
mod limits;
mod moment;
mod network;
mod raw;
mod subnet;
mod wire;

pub use about::About;
pub use address::{Address, DEFAULT_SOCKET};
pub use build::{Build, Builder, Login};
pub use container::{
    Attachment, Container, ContainerSpec, Health, HealthCheck, Mount, Networking, Restart, State,
};
pub use engine::Engine;
pub use image::{ImageId, ImageInfo, ImageLine};
pub use network::{NetworkInfo, NetworkSpec};
pub use subnet::{NoSubnet, Subnet};
