//! Versions in real repositories.

use std::fs;
use std::path::Path;
use std::process::Command;

use landfall_artifact::version::{Bump, Where, bump, source};
use landfall_model::VersionSource;

fn git(folder: &Path, arguments: &[&str]) {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A repository with one commit, and an application in a folder of it.
fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), &["init", "-q", "-b", "main"]);
    git(folder.path(), &["config", "user.name", "Anna"]);
    git(folder.path(), &["config", "user.email", "anna@example.com"]);
    fs::create_dir(folder.path().join("app")).unwrap();
    fs::write(folder.path().join("app/a"), "1").unwrap();
    fs::write(folder.path().join(".gitignore"), "*.log\n").unwrap();
    commit(folder.path());
    folder
}

fn commit(folder: &Path) {
    git(folder, &["add", "."]);
    git(folder, &["commit", "-q", "--allow-empty", "-m", "x"]);
}

fn semver(folder: &Path) -> String {
    source(folder, &VersionSource::Git).unwrap().semver.to_string()
}

#[test]
fn the_version_is_the_highest_tag_below_the_commit() {
    let folder = repository();
    let app = folder.path().join("app");
    assert_eq!(semver(&app), "0.1.0");
    git(folder.path(), &["tag", "v1.9.0"]);
    git(folder.path(), &["tag", "nightly"]);
    git(folder.path(), &["tag", "-a", "-m", "x", "1.10.0"]);
    assert_eq!(semver(&app), "1.10.0");
    commit(folder.path());
    git(folder.path(), &["tag", "v1.2.0"]);
    assert_eq!(semver(&app), "1.10.0");
    // A tag on another branch is not below this commit.
    git(folder.path(), &["checkout", "-q", "-b", "other"]);
    commit(folder.path());
    git(folder.path(), &["tag", "v2.0.0"]);
    assert_eq!(semver(&app), "2.0.0");
    git(folder.path(), &["checkout", "-q", "main"]);
    assert_eq!(semver(&app), "1.10.0");
}

#[test]
fn the_commit_and_changes_are_seen() {
    let folder = repository();
    let app = folder.path().join("app");
    let look = || source(&app, &VersionSource::Manifest(semver::Version::new(1, 4, 0))).unwrap();
    let first = look();
    assert_eq!(first.commit.as_deref().map(str::len), Some(7));
    assert!(!first.dirty);
    // Not ours: ignored files, Landfall's own folder, changes elsewhere in the repository.
    fs::write(app.join("x.log"), "").unwrap();
    fs::create_dir(app.join(".landfall")).unwrap();
    fs::write(app.join(".landfall/x"), "").unwrap();
    fs::write(folder.path().join("elsewhere"), "").unwrap();
    assert!(!look().dirty);
    for (path, content) in [("new", "1"), ("a", "2")] {
        let before = fs::read(app.join(path)).ok();
        fs::write(app.join(path), content).unwrap();
        assert!(look().dirty, "{path}");
        match before {
            Some(before) => fs::write(app.join(path), before).unwrap(),
            None => fs::remove_file(app.join(path)).unwrap(),
        }
        assert!(!look().dirty);
    }
    fs::remove_file(app.join("a")).unwrap();
    assert!(look().dirty);
    commit(folder.path());
    let second = look();
    assert!(!second.dirty);
    assert_ne!(first.commit, second.commit);
}

#[test]
fn without_git_there_is_no_commit() {
    let folder = tempfile::tempdir().unwrap();
    let plain = source(folder.path(), &VersionSource::Git).unwrap();
    assert_eq!((plain.semver.to_string().as_str(), plain.commit, plain.dirty), ("0.1.0", None, false));
    assert!(bump(folder.path(), Path::new("x"), &VersionSource::Git, Bump::Patch).is_err());
    git(folder.path(), &["init", "-q"]);
    fs::write(folder.path().join("a"), "1").unwrap();
    let empty = source(folder.path(), &VersionSource::Git).unwrap();
    assert_eq!((empty.semver.to_string().as_str(), empty.commit, empty.dirty), ("0.1.0", None, true));
}

#[test]
fn a_repository_that_git_refuses_is_a_fault() {
    let folder = repository();
    fs::write(folder.path().join(".git/config"), "[core\n").unwrap();
    let fault = source(folder.path(), &VersionSource::Git).unwrap_err();
    assert!(fault.message.contains("git refuses") && fault.help.is_some(), "{fault}");
}

#[test]
fn a_bump_goes_where_the_version_comes_from() {
    let folder = repository();
    let root = folder.path();
    let manifest = root.join("landfall.toml");
    fs::write(&manifest, "name = \"a\" # b\nversion = \"1.4.0\" # c\n").unwrap();
    let from = VersionSource::Manifest(semver::Version::new(1, 4, 0));
    let bumped = bump(root, &manifest, &from, Bump::Minor).unwrap();
    assert_eq!((bumped.to.to_string().as_str(), bumped.wrote), ("1.5.0", Where::File(manifest.clone())));
    assert_eq!(fs::read_to_string(&manifest).unwrap(), "name = \"a\" # b\nversion = \"1.5.0\" # c\n");

    let file = root.join("VERSION");
    fs::write(&file, "1.4.9\n").unwrap();
    let bumped = bump(root, &manifest, &VersionSource::File(file.clone()), Bump::Patch).unwrap();
    assert_eq!(bumped.from.to_string(), "1.4.9");
    assert_eq!(fs::read_to_string(&file).unwrap(), "1.4.10\n");

    let bumped = bump(root, &manifest, &VersionSource::Git, Bump::Minor).unwrap();
    assert_eq!(bumped.wrote, Where::Tag("v0.2.0".to_owned()));
    assert_eq!(semver(root), "0.2.0");
    let kind = Command::new("git").arg("-C").arg(root).args(["cat-file", "-t", "v0.2.0"]).output().unwrap();
    assert_eq!(kind.stdout, b"tag\n");
    // The form of the tags that are there is kept.
    git(root, &["tag", "3.0.0"]);
    let bumped = bump(root, &manifest, &VersionSource::Git, Bump::Major).unwrap();
    assert_eq!(bumped.wrote, Where::Tag("4.0.0".to_owned()));
}
