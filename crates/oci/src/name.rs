//! Names inside a registry: repositories, tags, and what a manifest is asked for by. As the OCI distribution
//! specification (1.1, "Pulling manifests") writes them.

use std::fmt;
use std::str::FromStr;

use landfall_model::Digest;

/// The longest repository name in bytes, as clients limit it.
const MAX_REPOSITORY: usize = 255;

/// The longest tag in bytes.
const MAX_TAG: usize = 128;

/// The text is not the name that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}")]
pub struct WrongName {
    text: String,
    what: &'static str,
}

/// A repository: `guestbook/web`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository(String);

/// A tag: `1.4.0-20261120131502-3f2a1c9`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// What a manifest is asked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A name that can move.
    Tag(Tag),
    /// Its content.
    Digest(Digest),
}

impl Repository {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Tag {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Repository {
    type Err = WrongName;
    fn from_str(text: &str) -> Result<Self, WrongName> {
        if text.len() <= MAX_REPOSITORY && text.split('/').all(is_component) {
            Ok(Self(text.to_owned()))
        } else {
            Err(WrongName { text: text.to_owned(), what: "repository" })
        }
    }
}

impl FromStr for Tag {
    type Err = WrongName;
    fn from_str(text: &str) -> Result<Self, WrongName> {
        let mut bytes = text.bytes();
        let begins = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
        let goes_on = bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if begins && goes_on && text.len() <= MAX_TAG {
            Ok(Self(text.to_owned()))
        } else {
            Err(WrongName { text: text.to_owned(), what: "tag" })
        }
    }
}

impl FromStr for Target {
    type Err = WrongName;
    fn from_str(text: &str) -> Result<Self, WrongName> {
        if !text.contains(':') {
            return text.parse().map(Self::Tag);
        }
        match text.parse() {
            Ok(digest @ Digest::Sha256(_)) => Ok(Self::Digest(digest)),
            _ => Err(WrongName { text: text.to_owned(), what: "SHA-256 digest" }),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// Whether it is `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn is_component(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = |b: Option<&u8>| b.is_some_and(|b| plain(*b));
    if !ends(bytes.first()) || !ends(bytes.last()) {
        return false;
    }
    let mut separators = bytes.split(|b| plain(*b)).filter(|run| !run.is_empty());
    separators.all(|run| matches!(run, b"." | b"_" | b"__") || run.iter().all(|b| *b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_specification() {
        for good in ["a", "guestbook/web", "a.b_c__d-e---f/0", &"a".repeat(255)] {
            assert!(good.parse::<Repository>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "A",
            "a..b",
            "a___b",
            "a._b",
            "-a",
            "a-",
            "..",
            "a/../b",
            "ä",
            &"a".repeat(256),
        ] {
            assert!(bad.parse::<Repository>().is_err(), "{bad}");
        }
        for good in ["1.4.0", "_x", "A-b.c_d", &"t".repeat(128)] {
            assert!(good.parse::<Tag>().is_ok(), "{good}");
        }
        for bad in ["", ".x", "-x", "a/b", "a+b", "a b", &"t".repeat(129)] {
            assert!(bad.parse::<Tag>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_manifest_is_asked_for_by_tag_or_by_sha256() {
        assert!(matches!("1.0".parse(), Ok(Target::Tag(_))));
        assert!(matches!(format!("sha256:{}", "0".repeat(64)).parse(), Ok(Target::Digest(_))));
        for bad in ["sha256:00".to_owned(), format!("blake3:{}", "0".repeat(64)), "a:b".to_owned()] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }
}
