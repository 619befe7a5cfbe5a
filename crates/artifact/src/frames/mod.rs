//! Many blobs in one stream.
//!
//! ```text
//! "LFBL" version:u32 ( 1 digest:[u8;32] length:u64 bytes… )* 0
//! ```
//! Numbers are little-endian. Nothing follows the closing 0; a stream without it was torn.

mod reader;
mod receive;

pub use reader::FrameReader;
pub use receive::{Received, receive};

/// How a stream begins.
const MAGIC: [u8; 4] = *b"LFBL";

/// The version of the format.
const VERSION: u32 = 1;

/// The byte before a blob.
const BLOB: u8 = 1;

/// The byte at the end.
const END: u8 = 0;

/// Magic and version.
const HEAD: usize = 8;

/// The byte before a blob, its digest and its length.
const BLOB_HEAD: usize = 1 + 32 + 8;
