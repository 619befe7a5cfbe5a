//! How releases run on this host: a folder for each runtime.

pub(crate) mod process;
