//! What git knows of a folder. Asks `git` itself, so that its own configuration and formats hold.

use std::io;
use std::path::Path;
use std::process::{Command, Output};

use landfall_model::{Blame, Fault, FaultKind, Retry};

/// The digits of an abbreviated commit.
const SHORT: usize = 7;

/// What is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// The abbreviated commit; `None` before the first.
    pub(super) commit: Option<String>,
    /// Whether anything below the folder differs from it: tracked files, or new ones that are not ignored.
    pub(super) dirty: bool,
}

/// Runs git in a folder; `None` when git is not installed.
///
/// # Errors
/// When git cannot be started for another reason.
pub(super) fn run(root: &Path, arguments: &[&str]) -> Result<Option<Output>, Fault> {
    let mut command = Command::new("git");
    command.arg("-C").arg(root).args(arguments);
    // Reading must not wait for, or make, locks; messages are compared with; a hook's variables name another folder.
    command.env("GIT_OPTIONAL_LOCKS", "0").env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0");
    for hook in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(hook);
    }
    command.stdin(std::process::Stdio::null());
    match command.output() {
        Ok(output) => Ok(Some(output)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Fault::machine(format!("git cannot be started: {error}"))),
    }
}

/// What is checked out at `root`; `None` without git or outside a repository.
///
/// # Errors
/// A repository that git refuses to read.
pub(super) fn head(root: &Path) -> Result<Option<Head>, Fault> {
    let arguments =
        ["status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--no-renames", "--"];
    let arguments = [&arguments[..], &[".", ":(exclude,glob)**/.landfall/**"]].concat();
    let Some(output) = run(root, &arguments)? else { return Ok(None) };
    if !output.status.success() {
        let is_repository = !String::from_utf8_lossy(&output.stderr).contains("not a git repository");
        return if is_repository { Err(refused(root, &output)) } else { Ok(None) };
    }
    Ok(Some(parse_status(&String::from_utf8_lossy(&output.stdout))))
}

/// Reads `git status --porcelain=v2 --branch -z`.
fn parse_status(text: &str) -> Head {
    let mut head = Head { commit: None, dirty: false };
    for line in text.split('\0').filter(|line| !line.is_empty()) {
        if let Some(oid) = line.strip_prefix("# branch.oid ") {
            let is_hex = oid.len() >= SHORT && oid.bytes().all(|byte| byte.is_ascii_hexdigit());
            head.commit = is_hex.then(|| oid[..SHORT].to_owned());
        } else if !line.starts_with("# ") {
            head.dirty = true;
        }
    }
    head
}

/// A tag that names a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tag {
    /// The version.
    pub(super) version: semver::Version,
    /// Whether the tag has a `v` before it.
    pub(super) v: bool,
}

impl Tag {
    /// Reads `v1.4.0` or `1.4.0`.
    fn parse(name: &str) -> Option<Self> {
        let (v, version) = name.strip_prefix('v').map_or((false, name), |rest| (true, rest));
        Some(Self { version: version.parse().ok()?, v })
    }
}

/// The highest version among the tags that the commit descends from.
///
/// # Errors
/// A repository that git refuses to read.
pub(super) fn highest_tag(root: &Path) -> Result<Option<Tag>, Fault> {
    let arguments = ["for-each-ref", "--merged=HEAD", "--format=%(refname:strip=2)", "refs/tags"];
    let Some(output) = run(root, &arguments)? else { return Ok(None) };
    if !output.status.success() {
        return Err(refused(root, &output));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(Tag::parse).max())
}

/// The fault of a git that said no.
pub(super) fn refused(root: &Path, output: &Output) -> Fault {
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it gave no reason").trim();
    let message = format!("git refuses to work in {}: {line}", root.display());
    let help = if said.contains("safe.directory") {
        "the repository belongs to another user; `git config --global --add safe.directory` with its path trusts it"
    } else {
        "do what git says, or give `version` in landfall.toml as text"
    };
    Fault::new(FaultKind::Refused, Blame::Machine, Retry::AfterFix, message).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_read() {
        let oid = "3f2a1c9d0e5b6a7c8d9e0f1a2b3c4d5e6f708192";
        let clean = format!("# branch.oid {oid}\0# branch.head main\0# branch.ab +1 -0\0");
        assert_eq!(parse_status(&clean), Head { commit: Some("3f2a1c9".to_owned()), dirty: false });
        let dirty = format!("{clean}? new file\0");
        assert!(parse_status(&dirty).dirty);
        assert_eq!(parse_status("# branch.oid (initial)\0"), Head { commit: None, dirty: false });
    }

    #[test]
    fn tags_are_read() {
        let names = ["v1.2.0", "1.10.0", "v1.9.9", "release-3", "v2", "vv3.0.0", "v1.10.0-rc.1"];
        let highest = names.iter().filter_map(|name| Tag::parse(name)).max().unwrap();
        assert_eq!(highest, Tag { version: semver::Version::new(1, 10, 0), v: false });
    }
}
