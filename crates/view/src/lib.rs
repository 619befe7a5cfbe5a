//! Nouns and events to what a person or a program reads.
//!
//! Each view takes a noun of the model and writes it, whole, to the writer it is given; nothing else is read or written,
//! and the moment that ages are counted from is a parameter. Text that an application or a user wrote is cleaned of
//! control characters first, so that no log line can move the reader's cursor. A writer that fails (a closed pipe) is
//! an error that the caller sees, never a panic.

mod access;
mod amount;
mod autopsy;
mod diagnostics;
mod disk;
mod fault;
mod findings;
mod history;
mod json;
mod line;
mod log;
mod manner;
mod open;
mod page;
mod plan;
mod project;
mod proposal;
mod receipt;
mod reporter;
mod status;
mod steps;
mod style;
mod text;
mod words;

pub use access::access_line;
pub use amount::bytes;
pub use autopsy::autopsy;
pub use diagnostics::diagnostics;
pub use disk::{disk, idle, idle_volumes, pruned};
pub use fault::fault;
pub use findings::findings;
pub use history::history;
pub use json::{json, json_diagnostics, json_line};
pub use log::log_line;
pub use open::open_transaction;
pub use plan::plan;
pub use proposal::{note, proposal};
pub use receipt::receipt;
pub use reporter::{Detail, Kind, Reporter, reporter};
pub use status::status;
pub use style::Style;
