//! Certificates that somebody else keeps in files: read, judged, and read again when they change.

use std::path::Path;

use landfall_model::Timestamp;

use crate::folder::{self, Stamp};
use crate::pair::{Flaw, Pair};

/// What was read from the two files.
pub(crate) struct Given {
    /// What can be served; `None` when nothing can.
    pub(crate) pair: Option<Pair>,
    /// What is wrong, naming the file. With a pair: it can be served, but clients will not take it, or not yet.
    pub(crate) problem: Option<String>,
}

/// Tells one content of both files from another.
pub(crate) fn stamps(certificate: &str, key: &str) -> [Option<Stamp>; 2] {
    [certificate, key].map(|path| folder::stamp(Path::new(path)))
}

/// Reads a chain and its key and judges them for a host.
pub(crate) fn read(certificate: &str, key: &str, host: &str, now: Timestamp) -> Given {
    let file = |what: &str, path: &str| {
        folder::read(Path::new(path)).map_err(|error| format!("the {what} {path} cannot be read: {error}"))
    };
    let tell = |flaw: &Flaw| match flaw {
        Flaw::Mismatch => format!("the key {key} is not the key of the certificate {certificate}"),
        flaw if flaw.is_of_key() => format!("the key {key} {flaw}"),
        flaw => format!("the certificate {certificate} {flaw}"),
    };
    let parsed = file("certificate", certificate)
        .and_then(|chain| Ok((chain, file("key", key)?)))
        .and_then(|(chain, key)| Pair::parse(&chain, &key).map_err(|flaw| tell(&flaw)));
    match parsed {
        Ok(pair) => {
            let problem = pair.check(host, now).err().map(|flaw| tell(&flaw));
            Given { pair: Some(pair), problem }
        }
        Err(problem) => Given { pair: None, problem: Some(problem) },
    }
}
