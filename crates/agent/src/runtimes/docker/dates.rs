//! The date of each file in a service's images: when it became what it is. A bundle knows no times, builders ask only for
//! files whose date has changed, and servers of static files take an older date for "not modified": so a date stays for as
//! long as the content does, and goes forward with it.

use std::collections::BTreeMap;
use std::io;

use landfall_artifact::{Index, What};
use landfall_model::{Digest, Fault, Release, Timestamp};
use serde::{Deserialize, Serialize};

use crate::host::LocalHost;

/// The version of this record's form.
const FORMAT: u32 = 1;

/// The files of the newest image, by their paths: as many as an index may have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Dates {
    format: u32,
    files: BTreeMap<String, Dated>,
}

/// A content, and the second since 1970 in which the path got it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Dated {
    content: Digest,
    second: u64,
}

impl Dates {
    /// The dates for the files of `index`, which come at `now`, after those that `self` knows.
    fn next(&self, index: &Index, now: Timestamp) -> Self {
        let now = now.millis() / 1000;
        let files = index.entries.iter().filter_map(|entry| {
            let What::File { digest, .. } = &entry.what else { return None };
            let second = match self.files.get(&entry.path) {
                Some(known) if known.content == *digest => known.second,
                // Forward even when the clock was set back, or two builds came in one second.
                Some(known) => now.max(known.second + 1),
                None => now,
            };
            Some((entry.path.clone(), Dated { content: *digest, second }))
        });
        Self { format: FORMAT, files: files.collect() }
    }

    /// The date of the file at `path`, where it is known.
    pub(super) fn of(&self, path: &str) -> Option<Timestamp> {
        self.files.get(path).map(|dated| Timestamp::from_millis(dated.second * 1000))
    }
}

impl LocalHost {
    /// The dates of a release's files; they are kept for the next release of the service.
    pub(super) fn dates(&self, release: &Release, index: &Index) -> Result<Dates, Fault> {
        let path = self.dir().dates(&release.app, &release.environment, release.service());
        let known = match self.files().read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Dates::default(),
            Err(error) => return Err(Fault::machine(format!("{} cannot be read: {error}", path.display()))),
        };
        // Of another form: as if nothing were known.
        let known = if known.format == FORMAT { known } else { Dates::default() };
        let next = known.next(index, release.created);
        if next != known {
            let bytes = serde_json::to_vec(&next)
                .map_err(|e| Fault::internal(format!("dates have no JSON form: {e}")))?;
            self.files()
                .replace(&path, &bytes)
                .map_err(|e| Fault::machine(format!("{} cannot be written: {e}", path.display())))?;
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_artifact::Entry;

    fn index(files: &[(&str, &str)]) -> Index {
        let entries = files.iter().map(|(path, content)| {
            let digest = Digest::of(content.as_bytes());
            let what = What::File { digest, size: content.len() as u64, executable: false };
            Entry { path: (*path).to_owned(), what }
        });
        Index::of(entries.collect())
    }

    #[test]
    fn a_date_stays_with_its_content_and_goes_forward_with_a_new_one() {
        let at = |second: u64| Timestamp::from_millis(second * 1000 + 400);
        let second = |dates: &Dates, path: &str| dates.of(path).map(|time| time.millis() / 1000);
        let one = Dates::default().next(&index(&[("a", "1"), ("b", "1")]), at(100));
        assert_eq!((second(&one, "a"), second(&one, "b"), second(&one, "c")), (Some(100), Some(100), None));
        let two = one.next(&index(&[("a", "1"), ("b", "2"), ("c", "1")]), at(200));
        assert_eq!(
            (second(&two, "a"), second(&two, "b"), second(&two, "c")),
            (Some(100), Some(200), Some(200))
        );
        // The clock was set back, and the old content came back.
        let three = two.next(&index(&[("a", "2"), ("b", "1")]), at(50));
        assert_eq!(
            (second(&three, "a"), second(&three, "b"), second(&three, "c")),
            (Some(101), Some(201), None)
        );
    }
}
