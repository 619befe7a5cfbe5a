//! What releases are stamped with: a semantic version from where the manifest says, the commit, the moment.

mod bump;
mod file;
mod git;
mod origin;
mod source;
mod stamp;

pub use bump::{Bump, Bumped, Where, bump};
pub use origin::origin;
pub use source::{Source, source};
pub use stamp::stamp;
