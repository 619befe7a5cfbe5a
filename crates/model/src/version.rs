//! Versions: semantic version, UTC timestamp and commit, never used twice.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The version of a release, written `1.4.0-20261120131502-3f2a1c9`, with `-dirty` behind it when the tree had changes
/// that were not committed and without the commit outside git. Ordered by timestamp, then by text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    semver: semver::Version,
    stamp: String,
    commit: Option<String>,
    dirty: bool,
}

crate::schema::string_schema!(Version, "Version", "1.4.0-20261120131502-3f2a1c9");

/// The text is no version of this form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version: expected the form 1.4.0-20261120131502-3f2a1c9")]
pub struct ParseVersionError(String);

impl Version {
    /// Stamps `semver` with a moment (to the second) and, from git, an abbreviated commit of 7 to 40 hex digits
    /// and whether the tree was dirty. Any pre-release or build part of `semver` is dropped.
    #[must_use]
    pub fn stamp(semver: &semver::Version, moment: Timestamp, commit: Option<&str>, dirty: bool) -> Self {
        let semver = semver::Version::new(semver.major, semver.minor, semver.patch);
        Self { semver, stamp: moment.compact(), commit: commit.map(str::to_owned), dirty }
    }

    /// The semantic version alone.
    #[must_use]
    pub fn semver(&self) -> &semver::Version {
        &self.semver
    }

    /// The moment to the second as 14 digits, `20261120131502`.
    #[must_use]
    pub fn moment(&self) -> &str {
        &self.stamp
    }

    /// The abbreviated commit, if the source was in git.
    #[must_use]
    pub fn commit(&self) -> Option<&str> {
        self.commit.as_deref()
    }

    /// Whether the tree held changes that were not committed.
    #[must_use]
    pub fn dirty(&self) -> bool {
        self.dirty
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.semver, self.stamp)?;
        if let Some(commit) = &self.commit {
            write!(f, "-{commit}")?;
        }
        if self.dirty { f.write_str("-dirty") } else { Ok(()) }
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.stamp.cmp(&other.stamp).then_with(|| self.to_string().cmp(&other.to_string()))
    }
}

impl FromStr for Version {
    type Err = ParseVersionError;
    fn from_str(text: &str) -> Result<Self, ParseVersionError> {
        let wrong = || ParseVersionError(text.to_owned());
        let mut parts = text.split('-');
        let semver: semver::Version = parts.next().ok_or_else(wrong)?.parse().map_err(|_| wrong())?;
        let stamp = parts.next().filter(|s| s.len() == 14 && s.bytes().all(|b| b.is_ascii_digit()));
        let stamp = stamp.ok_or_else(wrong)?.to_owned();
        let mut commit = None;
        let mut dirty = false;
        for part in parts {
            let hex = (7..=40).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit());
            match part {
                "dirty" if !dirty => dirty = true,
                part if hex && commit.is_none() && !dirty => commit = Some(part.to_owned()),
                _ => return Err(wrong()),
            }
        }
        Ok(Self { semver, stamp, commit, dirty })
    }
}

impl TryFrom<String> for Version {
    type Error = ParseVersionError;
    fn try_from(text: String) -> Result<Self, ParseVersionError> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_round_trip() {
        for text in [
            "1.4.0-20261120131502-3f2a1c9",
            "1.4.0-20261120131502-3f2a1c9-dirty",
            "0.1.0-20261120131502",
            "0.1.0-20261120131502-dirty",
        ] {
            assert_eq!(text.parse::<Version>().unwrap().to_string(), text);
        }
        for bad in
            ["1.4.0", "1.4-20261120131502", "1.4.0-2026", "1.4.0-20261120131502-dirty-3f2a1c9", "latest"]
        {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }
}
