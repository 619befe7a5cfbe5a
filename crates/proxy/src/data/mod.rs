//! The data plane: a runtime for each core, its listeners, connections and requests.

mod accept;
mod answer;
mod buffer;
mod client1;
mod connection;
mod exchange;
mod flight;
mod headers;
mod http2;
mod idle;
mod link;
mod origin;
mod own;
mod preamble;
mod pump;
mod registered;
mod request;
mod send;
mod side;
pub(crate) mod socket;
mod stall;
mod trace;
mod tunnel;
mod upstream;
pub(crate) mod worker;

pub(crate) use request::Incoming;
pub(crate) use side::{Broken, Piece, Source};
