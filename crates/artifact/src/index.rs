//! The index of a bundle: which content lies at which path. Its bytes are canonical, so that its digest names the tree.

use std::collections::{HashMap, HashSet};

use landfall_model::Digest;
use serde::{Deserialize, Serialize};

use crate::links;

/// The version of the index's format.
pub const INDEX_FORMAT: u32 = 1;

/// The largest index that is read, in bytes: 200,000 entries with paths of several hundred bytes each.
pub const MAX_INDEX: u64 = 128 * 1024 * 1024;

/// The longest path of an entry in bytes: `PATH_MAX` of Linux less what a release's folder needs.
const MAX_PATH: usize = 3072;

/// What a bundle holds. Its JSON without white space is what is stored, sent and hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// [`INDEX_FORMAT`].
    pub format: u32,
    /// Sorted by the bytes of their paths; none lies below another.
    pub entries: Vec<Entry>,
}

/// One path of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Relative to the source, parts separated by `/`.
    pub path: String,
    /// What lies there.
    #[serde(flatten)]
    pub what: What,
}

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A regular file.
    File {
        /// The digest of its content.
        digest: Digest,
        /// Its length in bytes.
        size: u64,
        /// Whether anyone may execute it.
        executable: bool,
    },
    /// A symbolic link that stays inside the tree.
    Link {
        /// What it holds, relative to the folder it lies in.
        target: String,
    },
    /// A folder with nothing in it; others are made for what lies in them.
    Folder {},
}

/// Why some bytes are no index.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// They are no JSON of the right form.
    #[error("the index is not readable: {0}")]
    Json(#[from] serde_json::Error),
    /// They are of another version of Landfall.
    #[error("the index has format {0}; this version of Landfall knows {INDEX_FORMAT}")]
    Format(u32),
    /// They are not in the one order and form that the digest is taken of.
    #[error("the index is not in canonical form")]
    NotCanonical,
    /// A path that is empty, absolute, too long, has `.`, `..` or an empty part, or lies below another entry.
    #[error("the index has a path that is not allowed: `{0}`")]
    Path(String),
    /// A link that leads out of the tree.
    #[error("the index has a link that leads out of the tree: `{path}` to `{target}`")]
    Link {
        /// The link.
        path: String,
        /// Where it leads.
        target: String,
    },
    /// A digest that is not BLAKE3.
    #[error("the index has a digest that is not BLAKE3: `{0}`")]
    Digest(String),
}

impl Index {
    /// Sorts the entries and gives the index of them.
    #[must_use]
    pub fn of(mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
        Self { format: INDEX_FORMAT, entries }
    }

    /// Gives the canonical bytes.
    ///
    /// # Panics
    /// Never: an index has only string keys, so that it always has a JSON form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an index has a JSON form")
    }

    /// Reads an index and checks it: what passes can be laid out without leaving the folder it is laid out in.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, IndexError> {
        let index: Self = serde_json::from_slice(bytes)?;
        if index.format != INDEX_FORMAT {
            return Err(IndexError::Format(index.format));
        }
        index.check()?;
        if index.to_bytes() != bytes {
            return Err(IndexError::NotCanonical);
        }
        Ok(index)
    }

    /// Checks paths, order, links and digests.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub(crate) fn check(&self) -> Result<(), IndexError> {
        let sorted = self.entries.windows(2).all(|two| two[0].path.as_bytes() < two[1].path.as_bytes());
        if !sorted {
            return Err(IndexError::NotCanonical);
        }
        let paths: HashSet<&str> = self.entries.iter().map(|entry| entry.path.as_str()).collect();
        let links: HashMap<&str, &str> = self.links().collect();
        for Entry { path, what } in &self.entries {
            let below_another = ancestors(path).any(|folder| paths.contains(folder));
            if !is_plain(path) || below_another {
                return Err(IndexError::Path(path.clone()));
            }
            match what {
                What::File { digest: Digest::Sha256(_), .. } => return Err(IndexError::Digest(path.clone())),
                What::Link { target } if !links::stays_inside(path, target, &links) => {
                    return Err(IndexError::Link { path: path.clone(), target: target.clone() });
                }
                What::File { .. } | What::Link { .. } | What::Folder {} => {}
            }
        }
        Ok(())
    }

    /// The digests of all files, sorted, each once.
    #[must_use]
    pub fn digests(&self) -> Vec<Digest> {
        let mut digests: Vec<Digest> = self
            .entries
            .iter()
            .filter_map(|entry| match entry.what {
                What::File { digest, .. } => Some(digest),
                What::Link { .. } | What::Folder {} => None,
            })
            .collect();
        digests.sort_unstable();
        digests.dedup();
        digests
    }

    /// The sizes of all files together, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.entries.iter().fold(0, |sum: u64, entry| match entry.what {
            What::File { size, .. } => sum.saturating_add(size),
            What::Link { .. } | What::Folder {} => sum,
        })
    }

    fn links(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().filter_map(|entry| match &entry.what {
            What::Link { target } => Some((entry.path.as_str(), target.as_str())),
            What::File { .. } | What::Folder {} => None,
        })
    }
}

/// Whether `path` is relative and made of ordinary names only.
fn is_plain(path: &str) -> bool {
    path.len() <= MAX_PATH
        && !path.contains('\0')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// The folders above `path`, without the root: `a/b/c` has `a/b` and `a`.
pub(crate) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.rmatch_indices('/').map(|(at, _)| &path[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Entry {
        let what = What::File { digest: Digest::of(path.as_bytes()), size: 1, executable: false };
        Entry { path: path.to_owned(), what }
    }

    fn link(path: &str, target: &str) -> Entry {
        Entry { path: path.to_owned(), what: What::Link { target: target.to_owned() } }
    }

    #[test]
    fn an_index_round_trips() {
        let folder = Entry { path: "empty".to_owned(), what: What::Folder {} };
        let index = Index::of(vec![file("b/c"), folder, file("a"), link("b/d", "../a")]);
        let bytes = index.to_bytes();
        assert_eq!(Index::parse(&bytes).unwrap(), index);
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            text.starts_with(r#"{"format":1,"entries":[{"path":"a","file":{"digest":"blake3:"#),
            "{text}"
        );
    }

    #[test]
    fn what_leaves_the_folder_or_writes_through_a_link_is_refused() {
        for entries in [
            vec![file("../a")],
            vec![file("/a")],
            vec![file("a//b")],
            vec![file("a/./b")],
            vec![file("")],
            vec![file("a\0b")],
            vec![link("a", "/tmp"), file("b")],
            vec![link("a", "..")],
            vec![link("a", "b"), file("a/x")],
            vec![file("a"), file("a-b"), file("a/x")],
            vec![file("a"), file("a")],
            vec![link("d/e/f/top", "../../.."), link("out", "d/e/f/top/..")],
        ] {
            let bytes = Index::of(entries).to_bytes();
            assert!(Index::parse(&bytes).is_err(), "{}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn only_the_canonical_bytes_are_an_index() {
        let index = Index::of(vec![file("a"), file("b")]);
        let text = String::from_utf8(index.to_bytes()).unwrap();
        let turned = Index { format: 1, entries: vec![file("b"), file("a")] };
        let sha = text.replace("blake3:", "sha256:");
        for bad in [
            format!(" {text}"),
            text.replace("\"size\":1", "\"size\": 1"),
            text.replace("\"size\":1", "\"size\":1,\"x\":2"),
            text.replace("\"format\":1", "\"format\":2"),
            String::from_utf8(turned.to_bytes()).unwrap(),
            sha,
        ] {
            assert!(Index::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
