//! Certificates and the handshakes that use them: the host's own authority, given files, ACME servers. Knows hosts and
//! listeners; never hears of routes beyond their name, nor of HTTP beyond one path.

mod accept;
mod acme;
mod approve;
mod authority;
mod certificates;
mod challenges;
mod facts;
mod folder;
mod given;
mod internal;
mod keeper;
mod limits;
mod pair;
mod renewal;
mod slot;
mod table;
mod template;
mod trust;

pub use accept::Accepted;
pub use approve::{Approval, Approver};
pub use authority::Authority;
pub use certificates::{Certificates, Options, Refusal};
pub use facts::Facts;
pub use limits::Pace;
pub use slot::Wanted;
pub use trust::{Outcome, Store, Trust};
