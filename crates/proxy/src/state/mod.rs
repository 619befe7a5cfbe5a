//! What the data plane knows: routes, their pools and counts. The control side writes it, workers read it.

pub(crate) mod choice;
pub(crate) mod histogram;
mod pause;
pub(crate) mod pool;
pub(crate) mod route;
pub(crate) mod stats;
pub(crate) mod table;
