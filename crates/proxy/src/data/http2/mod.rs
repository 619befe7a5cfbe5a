//! HTTP/2, to clients and to back ends (RFC 9113): frames are the library's, everything else is the exchange's. Heads are
//! written as HTTP/1.1 and read by the same strict parser, so that there is one set of rules.

mod body;
mod client;
mod head;
mod out;
mod upstream;

pub(crate) use client::serve;
pub(crate) use upstream::{Stream, Streams};
