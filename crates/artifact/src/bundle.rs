//! A source folder as a bundle: everything in it that travels, by content, so that the same tree gives the same digest
//! whatever its order on the disk, its times or the umask it was checked out with.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use landfall_model::{Blame, Digest, Fault, FaultKind, Retry};

use crate::cache::Cache;
use crate::hashing;
use crate::ignores::Ignores;
use crate::index::{Entry, Index, IndexError, What};
use crate::walk::{Found, Kind, walk};

/// The most files, links and empty folders in a bundle.
pub const MAX_ENTRIES: usize = 200_000;

/// The most bytes in a bundle: 4 GiB.
pub const MAX_BUNDLE: u64 = 4 * 1024 * 1024 * 1024;

/// The largest file in a bundle: 2 GiB.
pub const MAX_FILE: u64 = 2 * 1024 * 1024 * 1024;

/// A source folder at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// What it holds.
    pub index: Index,
    /// The digest of the index's bytes: the artifact's name.
    pub digest: Digest,
    /// The sizes of all files together, in bytes.
    pub bytes: u64,
}

impl Bundle {
    /// The blobs a store needs to have it: its files' and the index's own.
    #[must_use]
    pub fn digests(&self) -> Vec<Digest> {
        let mut digests = self.index.digests();
        digests.push(self.digest);
        digests
    }
}

/// Why a folder cannot be bundled.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// There is no such folder.
    #[error("the source folder {} is not there", .0.display())]
    NotThere(PathBuf),
    /// It is a file.
    #[error("the source {} is not a folder", .0.display())]
    NotAFolder(PathBuf),
    /// A line of the ignore rules is no pattern, or an ignore file cannot be read.
    #[error("the ignore rules cannot be used: {0}")]
    Rules(#[source] ignore::Error),
    /// A `.dockerignore` that cannot be used.
    #[error("{0}")]
    Docker(Box<Fault>),
    /// A name that is not UTF-8.
    #[error("the name of {} is not UTF-8", .0.display())]
    NotUtf8(PathBuf),
    /// A link that leads out of the source folder.
    #[error("the link {path} leads out of the source folder, to {target}")]
    LinkOut {
        /// The link, relative to the source.
        path: String,
        /// What it holds.
        target: String,
    },
    /// A socket, a pipe or a device.
    #[error("{0} is {1}, which cannot be bundled")]
    Special(String, &'static str),
    /// More than [`MAX_ENTRIES`].
    #[error("the source folder holds more than {MAX_ENTRIES} files")]
    TooMany,
    /// More than [`MAX_FILE`] in a file.
    #[error("{0} is larger than 2 GiB, the most a file of a bundle may be")]
    FileTooLarge(String),
    /// More than [`MAX_BUNDLE`].
    #[error("the source folder holds more than 4 GiB, the most a bundle may be")]
    TooLarge,
    /// What was found makes no index.
    #[error(transparent)]
    Index(IndexError),
    /// The system refused.
    #[error("{} cannot be read: {error}", .path.display())]
    Io {
        /// What was read.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

impl From<BundleError> for Fault {
    fn from(error: BundleError) -> Self {
        if let BundleError::Docker(fault) = error {
            return *fault;
        }
        let help = match &error {
            BundleError::NotThere(_) | BundleError::NotAFolder(_) => {
                "`path` of the service names its source folder, relative to landfall.toml"
            }
            BundleError::Rules(_) | BundleError::Docker(_) => "correct the line, or make the file readable",
            BundleError::NotUtf8(_) => {
                "rename it, or name it in .landfallignore (.dockerignore beside a Dockerfile)"
            }
            BundleError::LinkOut { .. } => {
                "make the link relative to a file inside the folder, replace it by what it leads to, or name it in \
                 .landfallignore (.dockerignore beside a Dockerfile)"
            }
            BundleError::Special(..) => {
                "remove it, or name it in .landfallignore (.dockerignore beside a Dockerfile)"
            }
            BundleError::TooMany | BundleError::FileTooLarge(_) | BundleError::TooLarge => {
                "name what the service does not need in .landfallignore (.dockerignore beside a Dockerfile), or keep it in a \
                 volume"
            }
            BundleError::Index(_) => "this is a fault of Landfall's own; please report it",
            BundleError::Io { .. } => {
                "make it readable, or name it in .landfallignore (.dockerignore beside a Dockerfile)"
            }
        };
        let fault = match &error {
            BundleError::Io { .. } => {
                Self::new(FaultKind::Refused, Blame::Machine, Retry::AfterFix, error.to_string())
            }
            BundleError::Index(_) => Self::internal(error.to_string()),
            _ => Self::usage(error.to_string()),
        };
        fault.help(help)
    }
}

/// Bundles what travels of `source` by Landfall's rules; `extra_ignores` are lines of the form `.gitignore` has.
///
/// Ignored are: what `.gitignore` and `.landfallignore` in the folder or below it name (the latter win), `.git`,
/// `.landfall`, `.env` and `.env.*`, and, unless the source's own `.landfallignore` takes it back (`!node_modules`),
/// `__pycache__`, `node_modules`, `.venv`, `venv`, `*.pyc`, `.DS_Store`. A folder is kept if it is truly empty; one
/// that holds only what is ignored is not.
///
/// # Errors
/// See [`BundleError`].
pub fn bundle(source: &Path, extra_ignores: &[String]) -> Result<Bundle, BundleError> {
    bundle_cached(source, &Ignores::Landfall, extra_ignores, None)
}

/// The same by the rules of `ignores`; whatever those say, `.git`, `.landfall`, `landfall.toml`, `.env`, `.env.*` and
/// `extra_ignores` stay behind. `cache` is a file that remembers the digests of files that have not changed since. It is written when
/// there is something new to remember; one that cannot be read or written is done without.
///
/// # Errors
/// See [`BundleError`].
pub fn bundle_cached(
    source: &Path,
    ignores: &Ignores,
    extra_ignores: &[String],
    cache: Option<&Path>,
) -> Result<Bundle, BundleError> {
    let source = source.canonicalize().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => BundleError::NotThere(source.to_owned()),
        _ => BundleError::Io { path: source.to_owned(), error },
    })?;
    if !source.is_dir() {
        return Err(BundleError::NotAFolder(source));
    }
    let mut cache = cache.map(Cache::open);
    let found = walk(&source, ignores, extra_ignores)?;
    let entries = read(&source, found, cache.as_mut())?;
    let index = Index::of(entries);
    index.check().map_err(|error| match error {
        IndexError::Link { path, target } => BundleError::LinkOut { path, target },
        other => BundleError::Index(other),
    })?;
    if let Some(cache) = cache {
        cache.save();
    }
    let bytes = index.bytes();
    Ok(Bundle { digest: Digest::of(&index.to_bytes()), index, bytes })
}

/// Takes the digests of the files that the cache does not know.
fn read(source: &Path, found: Vec<Found>, mut cache: Option<&mut Cache>) -> Result<Vec<Entry>, BundleError> {
    let mut entries = Vec::with_capacity(found.len());
    let mut unknown = Vec::new();
    let mut bytes: u64 = 0;
    for Found { path, what } in found {
        let what = match what {
            Kind::Folder => What::Folder {},
            Kind::Link(target) => What::Link { target },
            Kind::File(facts) => {
                bytes = bytes.saturating_add(facts.len());
                let known = cache.as_mut().and_then(|cache| cache.digest(&path, &facts));
                if known.is_none() {
                    unknown.push((entries.len(), facts.clone()));
                }
                let digest = known.unwrap_or(Digest::Blake3([0; 32]));
                What::File { digest, size: facts.len(), executable: facts.permissions().mode() & 0o111 != 0 }
            }
        };
        entries.push(Entry { path, what });
    }
    if bytes > MAX_BUNDLE {
        return Err(BundleError::TooLarge);
    }
    let paths: Vec<PathBuf> = unknown.iter().map(|(at, _)| source.join(&entries[*at].path)).collect();
    let hashed = hashing::files(&paths, MAX_FILE)
        .map_err(|(at, error)| BundleError::Io { path: paths[at].clone(), error })?;
    for ((at, facts), (read, length)) in unknown.into_iter().zip(hashed) {
        let entry = &mut entries[at];
        if length > MAX_FILE {
            return Err(BundleError::FileTooLarge(entry.path.clone()));
        }
        if let (Some(cache), true) = (cache.as_mut(), length == facts.len()) {
            cache.remember(&entry.path, &facts, read);
        }
        if let What::File { digest, size, .. } = &mut entry.what {
            (*digest, *size) = (read, length);
        }
    }
    Ok(entries)
}
