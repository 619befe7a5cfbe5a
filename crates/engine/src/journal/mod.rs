//! The journal: one file for each transaction, one record a line, each behind the checksum of its JSON.
//!
//! What a killed writer leaves behind is a file whose last line is torn; a damaged disk may leave worse. Reading takes
//! every record before the first bad line and says what it left out.

mod read;
mod record;
mod writer;

pub use read::{Cut, Journal, Progress, read};
pub(crate) use record::{Begun, Proof, Record};
pub(crate) use writer::{Room, Writer};

/// The largest journal that is read, in bytes.
pub const MAX_JOURNAL: u64 = 256 * 1024 * 1024;

/// The largest record that is written or read, in bytes; a plan of thousands of services has a tenth of it.
pub const MAX_RECORD: usize = 64 * 1024 * 1024;

/// The version of the journal's format.
pub(crate) const FORMAT: u32 = 1;

/// The note of a step that was left out because a person wanted so.
pub(crate) const SKIPPED: &str = "skipped";
