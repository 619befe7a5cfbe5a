//! Removes what no bundle needs any more.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use landfall_model::{Digest, Timestamp};

use super::Store;

impl Store {
    /// Removes every blob that none of the bundles `keep` (digests of indexes) needs and that is none of `also`, unless
    /// it was written or asked for by [`Store::missing`] less than `grace` before `now`: it may be on its way into a
    /// release. Also removes half-written and damaged blobs of that age. Gives the bytes that were freed.
    ///
    /// # Errors
    /// Any of the system's; an index of `keep` that cannot be read: nothing is removed then.
    pub fn collect(
        &self,
        keep: &[Digest],
        also: &HashSet<Digest>,
        now: Timestamp,
        grace: Duration,
    ) -> io::Result<u64> {
        let mut needed: HashSet<String> = also.iter().map(Digest::hex).collect();
        for digest in keep {
            let index = self.read_index(digest).map_err(io::Error::other)?;
            needed.insert(digest.hex());
            needed.extend(index.digests().iter().map(Digest::hex));
        }
        let old = |facts: &fs::Metadata| {
            facts.modified().is_ok_and(|time| now.since(Timestamp::from(time)) >= grace)
        };
        let mut freed = 0;
        for folder in fs::read_dir(&self.root)? {
            let folder = folder?;
            let prefix = folder.file_name().to_string_lossy().into_owned();
            if !folder.file_type()?.is_dir() {
                continue;
            }
            for blob in fs::read_dir(folder.path())? {
                let blob = blob?;
                let name = format!("{prefix}{}", blob.file_name().to_string_lossy());
                if !needed.contains(&name) {
                    freed += remove_if(&blob.path(), old)?;
                }
            }
        }
        Ok(freed)
    }
}

/// Removes a file if its facts say so; gives its length. One that somebody else removed meanwhile is fine.
fn remove_if(path: &Path, condition: impl Fn(&fs::Metadata) -> bool) -> io::Result<u64> {
    let gone = |error: io::Error| if error.kind() == io::ErrorKind::NotFound { Ok(0) } else { Err(error) };
    match fs::symlink_metadata(path) {
        Ok(facts) if facts.is_file() && condition(&facts) => {
            fs::remove_file(path).map(|()| facts.len()).or_else(gone)
        }
        Ok(_) => Ok(0),
        Err(error) => gone(error),
    }
}
