//! A host, seen from outside: a client of its agent's API, over whatever stream reaches it.

mod app;
mod call;
mod error;
mod exec;
mod lines;
mod payload;
mod start;
mod upload;
mod wire;

pub use app::{App, LogQuery};
pub use call::Agent;
pub use error::CallError;
pub use exec::{ExecReader, ExecWriter, FromHost};
pub use lines::Lines;
pub use wire::{ByteStream, LocalSocket, Opening, Wire};
