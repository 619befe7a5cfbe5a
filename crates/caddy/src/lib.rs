//! A Caddy as the front door: which configuration it is given over its admin API, and how a release takes over without
//! that configuration changing.
//!
//! A change of Caddy's configuration opens every listener anew: connections that nobody has taken yet are reset, and
//! until version 2.7 upgraded ones are cut. So the configuration names no instance. It says, for each route, in which
//! folder Caddy finds who answers: a file whose *name* holds the label and the addresses, found for each request by
//! Caddy's own file matcher. Taking over is the renaming of one link, which is atomic, needs no process but Caddy, and
//! is still so after a restart. Only what a route *is* (its host, its certificate) goes through the admin API.

mod admin;
mod caddy;
mod certificate;
mod config;
mod fault;
mod folder;
mod log;
mod route;
mod table;
mod version;

pub use admin::{Address, Admin};
pub use caddy::{Caddy, Meter, PoolView, RouteView, UnderWay, View};
pub use certificate::CertificateView;
pub use fault::CaddyError;
pub use folder::Folder;
pub use route::{Backend, Http, MAX_POOLS, Route, Share};
pub use version::{OLDEST, Version};
