//! A version in a file: `package.json`, `pyproject.toml`, `Cargo.toml`, or a text whose first word it is. It is found
//! as a stretch of the text, so that writing another one leaves all the rest as it is.

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use landfall_model::Fault;
use serde::Deserialize;

/// The largest file that a version is looked for in, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Reads the version that a file names.
///
/// # Errors
/// A file that cannot be read or names no version.
pub(super) fn read(path: &Path) -> Result<semver::Version, Fault> {
    let text = read_text(path)?;
    locate(path, &text).map(|(version, _)| version)
}

/// Writes another version in the place of the one that the file names.
///
/// # Errors
/// As [`read`]; the system's.
pub(super) fn write(path: &Path, version: &semver::Version) -> Result<(), Fault> {
    let text = read_text(path)?;
    let (_, place) = locate(path, &text)?;
    let text = format!("{}{version}{}", &text[..place.start], &text[place.end..]);
    replace(path, &text)
}

/// Writes `version` at the top of the manifest, comments and all else kept.
///
/// # Errors
/// A manifest without a version of its own; the system's.
pub(super) fn write_manifest(path: &Path, version: &semver::Version) -> Result<(), Fault> {
    let text = read_text(path)?;
    let (_, place) = toml_version(&text, &[&["version"]]).ok_or_else(|| none(path))?;
    let text = format!("{}{version}{}", &text[..place.start], &text[place.end..]);
    replace(path, &text)
}

/// Finds the version in the text of a file; the file's name says how.
fn locate(path: &Path, text: &str) -> Result<(semver::Version, Range<usize>), Fault> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let found = match name {
        "package.json" => json_version(text),
        "pyproject.toml" => toml_version(text, &[&["project", "version"], &["tool", "poetry", "version"]]),
        "Cargo.toml" => toml_version(text, &[&["package", "version"], &["workspace", "package", "version"]]),
        _ => first_word(text),
    };
    let (word, place) = found.ok_or_else(|| none(path))?;
    let (word, place) = match word.strip_prefix('v') {
        Some(rest) => (rest, place.start + 1..place.end),
        None => (word, place),
    };
    let version = word.parse().map_err(|error: semver::Error| {
        Fault::usage(format!("`{word}` in {} is no semantic version: {error}", path.display()))
            .help("a version has three numbers: 1.4.0")
    })?;
    Ok((version, place))
}

fn none(path: &Path) -> Fault {
    Fault::usage(format!("{} names no version", path.display())).help(
        "give it one (1.4.0): in package.json as `version`, in pyproject.toml under [project], in Cargo.toml under \
         [package], in any other file as its first word",
    )
}

type Word<'a> = (&'a str, Range<usize>);

fn first_word(text: &str) -> Option<Word<'_>> {
    let word = text.split_whitespace().next()?;
    Some((word, place_of(word, text)))
}

fn json_version(text: &str) -> Option<Word<'_>> {
    /// `&str` is borrowed from the text as long as it has no escapes, and a version has none.
    #[derive(Deserialize)]
    struct Package<'a> {
        version: &'a str,
    }
    let package: Package<'_> = serde_json::from_str(text).ok()?;
    Some((package.version, place_of(package.version, text)))
}

/// The first of several keys that has a string without escapes.
fn toml_version<'a>(text: &'a str, keys: &[&[&str]]) -> Option<Word<'a>> {
    let document = toml_edit::Document::parse(text).ok()?;
    keys.iter().find_map(|key| {
        let mut item = document.as_item();
        for part in *key {
            item = item.get(part)?;
        }
        let span = item.span()?;
        let value = item.as_str()?;
        let quoted = text.get(span.clone())?;
        let start = span.start + quoted.find(value)?;
        Some((text.get(start..start + value.len())?, start..start + value.len()))
    })
}

/// Where `part`, a slice of `text`, lies in it.
fn place_of(part: &str, text: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - text.as_ptr().addr();
    start..start + part.len()
}

fn read_text(path: &Path) -> Result<String, Fault> {
    let unreadable = |why: String| {
        Fault::usage(format!("the version file {} cannot be read: {why}", path.display()))
            .help("`version` in landfall.toml names it, relative to landfall.toml")
    };
    let facts = fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if facts.len() > MAX_FILE {
        return Err(unreadable("it is larger than 4 MiB".to_owned()));
    }
    fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))
}

/// Puts `text` in place of the file's, its mode kept; a link is followed, so that it stays one.
fn replace(path: &Path, text: &str) -> Result<(), Fault> {
    let write = || -> io::Result<()> {
        let path = path.canonicalize()?;
        let mode = fs::metadata(&path)?.permissions().mode();
        let folder = path.parent().unwrap_or_else(|| Path::new("/"));
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        new.write_all(text.as_bytes())?;
        new.as_file().set_permissions(Permissions::from_mode(mode))?;
        new.as_file().sync_all()?;
        new.persist(&path).map_err(|error| error.error)?;
        fs::File::open(folder)?.sync_all()
    };
    write().map_err(|error| Fault::machine(format!("{} cannot be written: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, before: &str, after: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, before).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert_eq!(read(&path).unwrap(), semver::Version::new(1, 4, 0), "{name}");
        write(&path, &semver::Version::new(2, 0, 0)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), after);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn only_the_version_is_changed() {
        check("VERSION", "  v1.4.0 # the truth\n", "  v2.0.0 # the truth\n");
        check("VERSION", "1.4.0", "2.0.0");
        check(
            "package.json",
            "{\n\t\"engines\": {\"version\": \"9.9.9\"},\n\t\"version\" : \"1.4.0\", \"x\": [ ]}\n",
            "{\n\t\"engines\": {\"version\": \"9.9.9\"},\n\t\"version\" : \"2.0.0\", \"x\": [ ]}\n",
        );
        check(
            "pyproject.toml",
            "# 1.4.0\n[tool.x]\nversion = '9.9.9'\n[project]\nname='a' # n\nversion = '1.4.0'# v\n",
            "# 1.4.0\n[tool.x]\nversion = '9.9.9'\n[project]\nname='a' # n\nversion = '2.0.0'# v\n",
        );
        check(
            "pyproject.toml",
            "[tool.poetry]\nversion = \"1.4.0\"\n",
            "[tool.poetry]\nversion = \"2.0.0\"\n",
        );
        check(
            "Cargo.toml",
            "[package]\nname = \"a\"\nversion.workspace = true\n[workspace.package]\nversion = \"1.4.0\"\n",
            "[package]\nname = \"a\"\nversion.workspace = true\n[workspace.package]\nversion = \"2.0.0\"\n",
        );
    }

    #[test]
    fn a_file_without_a_version_says_so() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("VERSION", ""),
            ("VERSION", "one"),
            ("package.json", "{}"),
            ("package.json", "{"),
            ("Cargo.toml", "[a]"),
        ] {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            let fault = read(&path).unwrap_err();
            assert!(fault.help.is_some() && fault.message.contains(name), "{name}: {fault}");
        }
        assert!(read(&folder.path().join("none")).is_err());
    }

    #[test]
    fn a_manifest_keeps_its_comments() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("landfall.toml");
        fs::write(
            &path,
            "# app\nname = \"a\"\nversion = \"1.4.0\"   # ours\n\n[service.web] # w\nrun = 'x'\n",
        )
        .unwrap();
        write_manifest(&path, &semver::Version::new(1, 5, 0)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "# app\nname = \"a\"\nversion = \"1.5.0\"   # ours\n\n[service.web] # w\nrun = 'x'\n"
        );
        fs::write(&path, "name = 'a'\n").unwrap();
        assert!(write_manifest(&path, &semver::Version::new(1, 5, 0)).is_err());
    }
}
