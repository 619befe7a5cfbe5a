//! Certificates from ACME servers (RFC 8555): accounts, orders, challenges, and what is kept of them.

mod account;
mod failure;
mod http;
mod order;
mod progress;
mod window;

pub(crate) use failure::Failure;
pub(crate) use order::{Kept, order};
pub(crate) use progress::Progress;
pub(crate) use window::window;

use std::sync::Arc;

use landfall_fx::{Clock, Files, TlsDir};

use crate::challenges::Challenges;
use crate::template::Template;

/// What orders need of the rest.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) folder: TlsDir,
    pub(crate) files: Arc<dyn Files>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) challenges: Arc<Challenges>,
    pub(crate) template: Arc<Template>,
}
