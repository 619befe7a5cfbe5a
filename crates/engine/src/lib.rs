//! Journal, lease, executor, recovery: walks a saved plan and survives being killed.
//!
//! Each step's intent is on the disk before the step is performed, its outcome before the next intent. A step that
//! fails before every new release was read back takes all of them back; whoever is killed leaves a journal from which
//! [`resume`] and [`undo`] both end well. All of it is synchronous: who calls gives it a thread.

mod back;
mod context;
mod driver;
mod effects;
mod faults;
mod forward;
mod journal;
mod judge;
pub mod lease;
mod outlook;
mod receipt;
mod recovery;
mod undo;

pub use context::{Context, Control, Ended, Events, Order, Word};
pub use journal::{Cut, Journal, MAX_JOURNAL, MAX_RECORD, Progress, read};
pub use recovery::{Way, promote, resume, run, shorter_way, undo};
