//! What BuildKit asks of whoever wants a build: files, secrets, accounts with registries. It asks over gRPC, on a
//! connection that is opened to the engine and then served (<https://github.com/moby/buildkit/tree/master/session>).

mod files;
mod grpc;
mod messages;
mod serve;

pub(super) use messages::{StatusResponse, Vertex, VertexLog};
pub(super) use serve::{Given, Session};

#[cfg(test)]
pub(super) use messages::Moment;
