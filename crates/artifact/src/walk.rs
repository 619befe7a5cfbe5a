//! What of a folder travels, before any content is read: by Landfall's rules, or by Docker's.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use crate::bundle::{BundleError, MAX_ENTRIES, MAX_FILE};
use crate::ignored::{IGNORE_FILE, Rules};
use crate::ignores::{Docker, Ignores};

/// A path that travels, before its content is known.
pub(crate) struct Found {
    pub(crate) path: String,
    pub(crate) what: Kind,
}

/// What lies at it.
pub(crate) enum Kind {
    File(Metadata),
    Link(String),
    Folder,
}

/// Finds what travels: files, links, empty folders. `extra` are lines of the form `.gitignore` has, for what never does.
///
/// # Errors
/// See [`BundleError`].
pub(crate) fn walk(source: &Path, ignores: &Ignores, extra: &[String]) -> Result<Vec<Found>, BundleError> {
    let rules = Rules::new(source, extra).map_err(BundleError::Rules)?;
    match ignores {
        Ignores::Landfall => by_landfall(source, rules),
        Ignores::Docker { dockerfile, rules: given } => {
            let docker = Docker::read(source, dockerfile.as_deref(), given.as_deref())?;
            by_docker(source, &rules, &docker)
        }
    }
}

fn by_landfall(source: &Path, rules: Rules) -> Result<Vec<Found>, BundleError> {
    let walk = WalkBuilder::new(source)
        .standard_filters(false)
        .git_ignore(true)
        .require_git(false)
        .add_custom_ignore_filename(IGNORE_FILE)
        .follow_links(false)
        .filter_entry(move |entry| {
            let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            entry.depth() == 0 || !rules.ignores(entry.path(), is_folder)
        })
        .build();
    let mut found = Vec::new();
    for entry in walk {
        let entry = entry.map_err(|error| of_walk(source, error))?;
        // What is wrong inside a readable ignore file is passed over, as git does; an unreadable one could let
        // something travel that must not.
        if let Some(error) = entry.error().filter(|error| error.is_io()) {
            return Err(BundleError::Rules(error.clone()));
        }
        if entry.depth() == 0 {
            continue;
        }
        let Some(one) = look(source, entry.path())? else { continue };
        add(&mut found, one)?;
    }
    Ok(found)
}

/// As BuildKit walks a context. A folder that is let in is there even if nothing in it is.
fn by_docker(source: &Path, rules: &Rules, docker: &Docker) -> Result<Vec<Found>, BundleError> {
    let mut found = Vec::new();
    let mut folders = BTreeSet::new();
    let mut ahead = vec![source.to_owned()];
    while let Some(folder) = ahead.pop() {
        let io = |error| BundleError::Io { path: folder.clone(), error };
        for entry in folder.read_dir().map_err(io)? {
            let entry = entry.map_err(io)?;
            let path = entry.path();
            let is_folder = entry.file_type().map_err(io)?.is_dir();
            if rules.forbids(&path, is_folder) {
                continue;
            }
            let inside = path.strip_prefix(source).expect("the walk stays below its root");
            let name = inside.to_string_lossy();
            let excluded = docker.ignore.excludes(&name);
            if is_folder {
                if excluded && docker.ignore.excludes_all_below(&name) {
                    continue;
                }
                if !excluded {
                    let name = inside.to_str().ok_or_else(|| BundleError::NotUtf8(inside.to_owned()))?;
                    folders.insert(name.to_owned());
                }
                ahead.push(path);
            } else if !excluded && let Some(one) = look(source, &path)? {
                add(&mut found, one)?;
            }
        }
    }
    for name in &docker.always {
        let path = source.join(name);
        let is_new = !found.iter().any(|one| one.path == *name);
        if is_new
            && path.is_file()
            && !rules.forbids(&path, false)
            && let Some(one) = look(source, &path)?
        {
            add(&mut found, one)?;
        }
    }
    let above = |path: &str| path.match_indices('/').map(|(at, _)| path[..at].to_owned()).collect::<Vec<_>>();
    let paths = found.iter().map(|one| &one.path).chain(&folders);
    let filled: BTreeSet<String> = paths.flat_map(|path| above(path)).collect();
    for path in folders.difference(&filled) {
        add(&mut found, Found { path: path.clone(), what: Kind::Folder })?;
    }
    Ok(found)
}

fn add(found: &mut Vec<Found>, one: Found) -> Result<(), BundleError> {
    if found.len() >= MAX_ENTRIES {
        return Err(BundleError::TooMany);
    }
    found.push(one);
    Ok(())
}

/// Says what lies at one path; `None` for a folder with something in it.
fn look(source: &Path, path: &Path) -> Result<Option<Found>, BundleError> {
    use std::os::unix::fs::FileTypeExt as _;
    let io = |error| BundleError::Io { path: path.to_owned(), error };
    let inside = path.strip_prefix(source).expect("the walk stays below its root");
    let name = inside.to_str().ok_or_else(|| BundleError::NotUtf8(inside.to_owned()))?.to_owned();
    let facts = path.symlink_metadata().map_err(io)?;
    let kind = facts.file_type();
    let what = if kind.is_file() {
        if facts.len() > MAX_FILE {
            return Err(BundleError::FileTooLarge(name));
        }
        Kind::File(facts)
    } else if kind.is_dir() {
        if path.read_dir().map_err(io)?.next().is_some() {
            return Ok(None);
        }
        Kind::Folder
    } else if kind.is_symlink() {
        let target = path.read_link().map_err(io)?.into_os_string();
        Kind::Link(target.into_string().map_err(|_| BundleError::NotUtf8(inside.to_owned()))?)
    } else {
        let special = match kind {
            kind if kind.is_socket() => "a socket",
            kind if kind.is_fifo() => "a named pipe",
            _ => "a device",
        };
        return Err(BundleError::Special(name, special));
    };
    Ok(Some(Found { path: name, what }))
}

fn of_walk(source: &Path, error: ignore::Error) -> BundleError {
    fn path_of(error: &ignore::Error) -> Option<PathBuf> {
        match error {
            ignore::Error::WithPath { path, .. } => Some(path.clone()),
            ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
            _ => None,
        }
    }
    let path = path_of(&error).unwrap_or_else(|| source.to_owned());
    match error.io_error().map(io::Error::kind) {
        Some(kind) => {
            let error = error.into_io_error().unwrap_or_else(|| kind.into());
            BundleError::Io { path, error }
        }
        None => BundleError::Rules(error),
    }
}
