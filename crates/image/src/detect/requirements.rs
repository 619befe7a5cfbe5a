//! The files that a `requirements.txt` draws in, and whether it names anything in the source itself.
//!
//! Format: <https://pip.pypa.io/en/stable/reference/requirements-file-format/>.

use std::collections::BTreeMap;

use landfall_model::Fault;

/// The most files that are drawn in.
const MAX_FILES: usize = 64;

/// What a file of requirements comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Each file that was read, by its path in the folder.
    pub files: BTreeMap<String, String>,
    /// Whether anything is installed from the folder itself: what is made then fits no other release.
    pub local: bool,
}

/// Reads `first` and all files it draws in by `-r` and `-c`; `text_of` gives the text of the file at a path.
///
/// # Errors
/// A file that `text_of` cannot give, or more than 64 of them.
pub fn read(first: &str, text_of: &mut dyn FnMut(&str) -> Result<String, Fault>) -> Result<Found, Fault> {
    let mut found = Found::default();
    let mut ahead = vec![first.to_owned()];
    while let Some(name) = ahead.pop() {
        if found.files.contains_key(&name) {
            continue;
        }
        if found.files.len() >= MAX_FILES {
            return Err(Fault::application(format!("{first} draws in more than {MAX_FILES} files")));
        }
        let text = text_of(&name)?;
        let above = name.rsplit_once('/').map_or("", |(above, _)| above);
        for line in lines(&text) {
            match included(line) {
                Some(path) if path.contains("://") => {}
                Some(path) => ahead.push(beside(above, path)),
                None => found.local |= is_local(line),
            }
        }
        found.files.insert(name, text);
    }
    Ok(found)
}

/// The path that a file in the folder `above` means by `path`, without `.` and `..` where they can be done without, so
/// that a circle of files is seen as one.
fn beside(above: &str, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = above.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Lines without comments and blank ones.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| {
        let comment = if line.trim_start().starts_with('#') { Some(0) } else { line.find(" #") };
        line[..comment.unwrap_or(line.len())].trim()
    })
}

/// The file that a line draws in.
fn included(line: &str) -> Option<&str> {
    value_of(line, &["--requirement", "--constraint", "-r", "-c"])
}

/// The value of an option, in one of the forms `-r x`, `-rx`, `--long x`, `--long=x`.
fn value_of<'a>(line: &'a str, names: &[&str]) -> Option<&'a str> {
    let rest = names.iter().find_map(|name| {
        let rest = line.strip_prefix(name)?;
        let long = name.starts_with("--");
        (!long || rest.starts_with(['=', ' ', '\t'])).then_some(rest)
    })?;
    Some(rest.trim_start_matches('=').trim())
}

/// Whether a line installs something that lies in the file system.
fn is_local(line: &str) -> bool {
    if let Some(what) = value_of(line, &["--editable", "--find-links", "-e", "-f"]) {
        return !what.contains("://") || what.starts_with("file:");
    }
    let is_path = line.starts_with(['.', '/']) || line.contains("file:");
    let is_archive = [".whl", ".tar.gz", ".zip"].iter().any(|end| line.ends_with(end));
    is_path || (is_archive && !line.contains("://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_drawn_in_once() {
        let mut files = BTreeMap::from([
            (
                "requirements.txt",
                "flask==3.0 # web\n-r requirements/base.txt\n--constraint=c.txt\n# -r none.txt\n",
            ),
            ("requirements/base.txt", "-r more.txt\n-r ../requirements.txt\n-r https://example.com/r.txt\n"),
            ("requirements/more.txt", "six\n"),
            ("c.txt", "six<2\n"),
        ]);
        let read = |files: &BTreeMap<&str, &str>| {
            read("requirements.txt", &mut |name| {
                files.get(name).map(|text| (*text).to_owned()).ok_or_else(|| Fault::application(name))
            })
        };
        let found = read(&files).unwrap();
        let names: Vec<_> = found.files.keys().map(String::as_str).collect();
        assert_eq!(names, ["c.txt", "requirements.txt", "requirements/base.txt", "requirements/more.txt"]);
        assert!(!found.local);
        files.insert("c.txt", "-r none.txt");
        assert_eq!(read(&files).unwrap_err().message, "none.txt");
    }

    #[test]
    fn what_lies_in_the_source_is_seen() {
        for local in [
            "-e .",
            "--editable=./x",
            ".",
            "./pkg",
            "a @ file:///x/a.whl",
            "a-1-py3-none-any.whl",
            "-f wheels",
        ] {
            assert!(is_local(local), "{local}");
        }
        for other in [
            "flask",
            "-e git+https://example.com/a.git",
            "a @ https://example.com/a.whl",
            "-i https://x",
            "x>=1.0",
        ] {
            assert!(!is_local(other), "{other}");
        }
    }
}
