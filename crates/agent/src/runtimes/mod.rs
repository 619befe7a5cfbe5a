//! How releases run on this host: a folder for each runtime.

pub(crate) mod process;

#[cfg(test)]
pub(crate) use process::tests::release_of;
