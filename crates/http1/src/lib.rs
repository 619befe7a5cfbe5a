//! HTTP/1.1 without I/O: strict heads over a buffer, body framing both ways, every smuggling defence by name.
//!
//! Heads are parsed in place: fields are [`Span`]s of the bytes that were read, so that a head costs no allocation once
//! the list of fields has grown. What is not exactly what RFC 9112 says is refused with the [`Rule`] that it breaks;
//! where the RFC lets a recipient be lenient, this crate is not.

mod byte;
mod chunk;
mod decode;
mod encode;
mod field;
mod framing;
mod request;
mod response;
mod rule;
mod scan;
mod span;
mod trailers;
mod write;

pub use byte::{is_host, is_token, is_value};
pub use chunk::{MAX_EXTENSIONS, MAX_SIZE_LINE};
pub use decode::{Decoder, Next};
pub use encode::Encoder;
pub use field::{Connection, Field, Known};
pub use framing::Framing;
pub use request::{MAX_METHOD, Request, is_preface};
pub use response::Response;
pub use rule::Rule;
pub use scan::{Limits, Scan};
pub use span::Span;
pub use trailers::{MAX_TRAILERS, trailers};
pub use write::{decimal, hexadecimal, status_line};
