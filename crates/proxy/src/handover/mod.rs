//! One proxy takes the place of another without closing a socket.
//!
//! The new one asks on the control socket (`POST /v1/handover`, which changes to this protocol) and both speak in turns:
//!
//! | who | says | and from then on |
//! |---|---|---|
//! | old | `Offer`, descriptors | changes nothing more: calls on its control socket wait |
//! | new | `R` | has routes, pauses and holds; touches no socket yet |
//! | old | `G` | accepts nothing more; what comes in waits in the kernel's queues |
//! | new | `S` | accepts, and answers on the control socket |
//! | old | nothing | answers what it has in hands, until all of that is done; then sends its last `Report` and ends |
//!
//! Until the `S` the old one has every socket still: when the new one is gone, however that comes, it goes on as before.
//! After it, the old one takes the same calls on a socket of its own, where the new one repeats each change to it: a pool
//! that is drained is drained in both. One that starts from the file, because the new one was killed, finds it by that socket.

mod earlier;
mod give;
mod messages;
mod take;

pub(crate) use earlier::{ended, newest};
pub(crate) use give::give;
pub(crate) use messages::send_report;
pub(crate) use take::{Taken, finish, last_report, take};
