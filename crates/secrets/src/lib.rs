//! Where secret values come from: one module per provider behind one small trait.
//!
//! Values live in [`Values`] and [`secrecy::SecretString`] only, which show nothing and are wiped when they are dropped.
//! No message of this crate ever holds one: a broken `.env` file is told by file, line and column, never by its text.

pub mod dotenv;
pub mod environment;
mod fingerprint;
mod gather;
mod problem;
mod provider;
mod values;

pub use fingerprint::{fingerprint, parse_key};
pub use gather::{Gathered, Needed, gather, gather_for, needed};
pub use provider::{Provider, ProviderError};
pub use secrecy::SecretString;
pub use values::Values;
