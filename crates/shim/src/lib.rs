//! The supervisor of one instance: starts it, restarts it, keeps its output; outlives the agent.
//!
//! The agent writes an [`Order`] into the instance's folder and starts `landfall shim DIR` ([`spawn`]), which is
//! [`run`]: one thread, one poll loop, no runtime. From then on both know each other through files and a socket in
//! that folder alone, so that either may die: the application writes into pipes that it holds open itself, and the
//! next shim finds it again. What is told apart here:
//!
//! - what should happen next is decided by a pure machine (`machine`), performed by a thin driver (`run`);
//! - what was found out about an instance that would not live is judged by pure rules ([`autopsy()`]);
//! - reading `/proc` is in [`evidence`] alone.

mod adopt;
mod autopsy;
mod cgroup;
mod clock;
pub mod evidence;
mod exit;
mod files;
mod handle;
mod lines;
mod lock;
pub mod log;
mod machine;
mod main_process;
mod memory;
mod order;
mod output;
mod pipes;
mod program;
mod redact;
mod report;
mod run;
mod secrets;
mod server;
mod session;
mod signals;
mod start;
mod task;

pub use autopsy::autopsy;
pub use handle::Handle;
pub use lock::is_alive;
pub use order::{ORDER_FORMAT, Order, spawn};
pub use redact::Redactor;
pub use report::{Report, last_report};
pub use run::run;
pub use secrets::{read_secrets, write_secrets};
pub use task::{RunRequest, run_command};
