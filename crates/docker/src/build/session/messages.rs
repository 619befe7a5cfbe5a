//! The messages of BuildKit's session and of its progress, as far as they are used (`control.proto`, `secrets.proto`,
//! `auth.proto` of moby/buildkit; `wire.proto`, `stat.proto` of tonistiigi/fsutil).

use prost::{Enumeration, Message};

/// What a packet of a file transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub(in crate::build) enum PacketKind {
    /// An entry; without one: there are no more.
    Stat = 0,
    /// The content of entry `id` is wanted.
    Request = 1,
    /// A piece of entry `id`; an empty one ends it.
    Data = 2,
    /// Everything is there.
    End = 3,
    /// It failed, with words in `data`.
    Error = 4,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::build) struct Packet {
    #[prost(enumeration = "PacketKind", tag = "1")]
    pub(in crate::build) kind: i32,
    #[prost(message, optional, tag = "2")]
    pub(in crate::build) stat: Option<Stat>,
    #[prost(uint32, tag = "3")]
    pub(in crate::build) id: u32,
    #[prost(bytes = "vec", tag = "4")]
    pub(in crate::build) data: Vec<u8>,
}

/// An entry: its mode is Go's `os.FileMode`.
#[derive(Clone, PartialEq, Message)]
pub(in crate::build) struct Stat {
    #[prost(string, tag = "1")]
    pub(in crate::build) path: String,
    #[prost(uint32, tag = "2")]
    pub(in crate::build) mode: u32,
    #[prost(int64, tag = "5")]
    pub(in crate::build) size: i64,
    #[prost(int64, tag = "6")]
    pub(in crate::build) mod_time: i64,
    #[prost(string, tag = "7")]
    pub(in crate::build) linkname: String,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::build) struct GetSecretRequest {
    #[prost(string, tag = "1")]
    pub(in crate::build) id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::build) struct GetSecretResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub(in crate::build) data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::build) struct CredentialsRequest {
    #[prost(string, tag = "1")]
    pub(in crate::build) host: String,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::build) struct CredentialsResponse {
    #[prost(string, tag = "1")]
    pub(in crate::build) username: String,
    #[prost(string, tag = "2")]
    pub(in crate::build) secret: String,
}

/// The answer to a health check; 1 is "serving".
#[derive(Clone, PartialEq, Message)]
pub(in crate::build) struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    pub(in crate::build) status: i32,
}

/// How a build stands.
#[derive(Clone, PartialEq, Message)]
pub(in crate::build) struct StatusResponse {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::build) vertexes: Vec<Vertex>,
    #[prost(message, repeated, tag = "3")]
    pub(in crate::build) logs: Vec<VertexLog>,
}

/// A step.
#[derive(Clone, PartialEq, Message)]
pub(in crate::build) struct Vertex {
    #[prost(string, tag = "1")]
    pub(in crate::build) digest: String,
    #[prost(string, tag = "3")]
    pub(in crate::build) name: String,
    #[prost(bool, tag = "4")]
    pub(in crate::build) cached: bool,
    #[prost(message, optional, tag = "5")]
    pub(in crate::build) started: Option<Moment>,
    #[prost(message, optional, tag = "6")]
    pub(in crate::build) completed: Option<Moment>,
    #[prost(string, tag = "7")]
    pub(in crate::build) error: String,
}

/// What a step printed.
#[derive(Clone, PartialEq, Message)]
pub(in crate::build) struct VertexLog {
    #[prost(string, tag = "1")]
    pub(in crate::build) vertex: String,
    #[prost(int64, tag = "3")]
    pub(in crate::build) stream: i64,
    #[prost(bytes = "vec", tag = "4")]
    pub(in crate::build) msg: Vec<u8>,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(in crate::build) struct Moment {
    #[prost(int64, tag = "1")]
    pub(in crate::build) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(in crate::build) nanos: i32,
}

impl Moment {
    /// Milliseconds from `earlier` to this one; 0 when it is not after.
    pub(in crate::build) fn since(self, earlier: Self) -> u64 {
        let millis = |moment: Self| moment.seconds * 1000 + i64::from(moment.nanos) / 1_000_000;
        u64::try_from(millis(self) - millis(earlier)).unwrap_or_default()
    }
}
