//! The data plane: a runtime for each core, its listeners, connections and requests.

mod body;
mod connection;
mod forward;
mod headers;
mod logged;
mod request;
mod scan;
mod serve;
mod tunnel;
mod upstream;
pub(crate) mod worker;
