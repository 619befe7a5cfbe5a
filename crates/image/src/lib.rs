//! What an image is made from, without I/O: which languages and managers a source uses, the Dockerfile that Landfall writes
//! where the owner has none, `.dockerignore`, the build context as a stream, and what a Dockerfile refers to.

mod context;
pub mod detect;
mod generate;
mod ignore;
mod scan;
mod source;

pub use context::{Entry, What, context};
pub use generate::{USER, Wanted, Written, generate};
pub use ignore::{DOCKERIGNORE, Ignore};
pub use scan::{Reference, Scanned, Stage, scan};
pub use source::{MAX_READ, Source};
