//! The Engine API of Docker: one `Engine` for each engine, reached over a unix socket, TCP or ssh; images, containers
//! and networks as plain data; an engine's errors as `Fault`s that say what to do.
//!
//! It knows nothing of releases: who calls names things, labels them and decides. Everything but a build's context and
//! what is streamed fits in memory, each wait has a named limit in `limits`.

mod about;
mod address;
mod build;
mod container;
mod disk;
mod download;
mod engine;
mod events;
mod fault;
mod frames;
mod image;
mod labels;
mod limits;
mod login;
mod moment;
mod network;
mod raw;
mod ssh;
mod subnet;
mod tls;
mod transfer;
mod tunnel;
mod volume;
mod wire;

pub use about::About;
pub use address::{Address, DEFAULT_SOCKET};
pub use build::{Build, Builder};
pub use container::{
    Attachment, Container, ContainerSpec, ExecSpec, Health, HealthCheck, Input, Listed, LogLine, LogOptions,
    Logs, Mount, Networking, Output, Restart, State, Usage,
};
pub use disk::{CacheUse, ContainerUse, DiskUse, ImageUse, VolumeUse};
pub use download::Download;
pub use engine::Engine;
pub use events::{EngineEvent, Events};
pub use image::{ImageId, ImageInfo, ImageLine};
pub use login::Login;
pub use network::{NetworkInfo, NetworkSpec};
pub use subnet::{NoSubnet, Subnet};
pub use tls::Tls;
pub use tunnel::Tunnel;
