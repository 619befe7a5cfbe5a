//! A `poetry.lock` as requirements for pip: every package it would install, at its locked version, with its hashes.
//!
//! Format: the lock file of poetry 1.1 to 2.x (`metadata.lock-version` 1.1 to 2.1).

use std::fmt::Write as _;

use toml::{Table, Value};

/// Turns a lock file into requirements that are complete in themselves (`--no-deps`).
///
/// # Errors
/// Why that cannot be done, as people read it.
pub(super) fn requirements(lock: &str) -> Result<String, String> {
    let document: Table = lock.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
    let packages = document.get("package").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    // Before lock version 1.2 hashes were kept apart, by package.
    let apart = document.get("metadata").and_then(|metadata| metadata.get("files"));
    let installed = packages.iter().filter(|package| package.get("optional") != Some(&Value::Boolean(true)));
    let lines: Vec<Line> = installed.map(|package| Line::read(package, apart)).collect::<Result<_, _>>()?;
    // pip takes hashes for all or none.
    let hashed = lines.iter().all(|line| !line.hashes.is_empty());
    Ok(lines.iter().fold(String::new(), |mut text, line| {
        line.write(&mut text, hashed);
        text
    }))
}

/// One package.
struct Line {
    name: String,
    version: String,
    marker: Option<String>,
    hashes: Vec<String>,
}

impl Line {
    fn read(package: &Value, apart: Option<&Value>) -> Result<Self, String> {
        let text = |key: &str| package.get(key).and_then(Value::as_str).filter(|text| is_plain(text));
        let name = text("name").ok_or("a package has no name")?.to_owned();
        let version = text("version").ok_or_else(|| format!("{name} has no version"))?.to_owned();
        if package.get("source").is_some() {
            return Err(format!("{name} comes from elsewhere than the package index"));
        }
        let files = package.get("files").or_else(|| apart.and_then(|apart| apart.get(&name)));
        let files = files.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let hashes = files
            .iter()
            .filter_map(|file| file.get("hash").and_then(Value::as_str))
            .filter(|hash| is_plain(hash))
            .map(str::to_owned)
            .collect();
        Ok(Self { marker: marker(package), name, version, hashes })
    }

    fn write(&self, text: &mut String, hashed: bool) {
        let _ = write!(text, "{}=={}", self.name, self.version);
        if let Some(marker) = &self.marker {
            let _ = write!(text, " ; {marker}");
        }
        for hash in self.hashes.iter().filter(|_| hashed) {
            let _ = write!(text, " --hash={hash}");
        }
        text.push('\n');
    }
}

/// When a package is installed: a marker for all its groups, or one for each group, of which any is enough.
fn marker(package: &Value) -> Option<String> {
    let clean =
        |marker: &Value| marker.as_str().filter(|text| !text.contains(['\n', '#'])).map(str::to_owned);
    match package.get("markers")? {
        Value::Table(groups) => {
            let of_groups = package.get("groups").and_then(Value::as_array)?;
            let each: Option<Vec<String>> =
                of_groups.iter().map(|group| clean(groups.get(group.as_str()?)?)).collect();
            // A group without a marker of its own installs it anyway.
            let each: Vec<String> = each?.into_iter().map(|marker| format!("({marker})")).collect();
            Some(each.join(" or "))
        }
        marker => clean(marker),
    }
}

/// Whether it can stand in a line of requirements without meaning anything else.
fn is_plain(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:+!".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_becomes_requirements() {
        let lock = r#"
[[package]]
name = "six"
version = "1.17.0"
optional = false
groups = ["main"]
markers = "python_version >= \"3.8\""
files = [{file = "six.whl", hash = "sha256:aa"}, {file = "six.tar.gz", hash = "sha256:bb"}]

[[package]]
name = "colorama"
version = "0.4.6"
optional = false
groups = ["main", "dev"]
markers = {main = "sys_platform == \"win32\"", dev = "os_name == \"nt\""}
files = [{file = "c.whl", hash = "sha256:cc"}]

[[package]]
name = "extra"
version = "1"
optional = true
files = []
"#;
        let expected = "six==1.17.0 ; python_version >= \"3.8\" --hash=sha256:aa --hash=sha256:bb\n\
                        colorama==0.4.6 ; (sys_platform == \"win32\") or (os_name == \"nt\") --hash=sha256:cc\n";
        assert_eq!(requirements(lock).unwrap(), expected);
    }

    #[test]
    fn hashes_are_given_for_all_or_none() {
        let lock = "[[package]]\nname='a'\nversion='1'\n[[package]]\nname='b'\nversion='2'\n\
                    [metadata.files]\na=[{file='a', hash='sha256:aa'}]\n";
        assert_eq!(requirements(lock).unwrap(), "a==1\nb==2\n");
        let both = lock.to_owned() + "b=[{file='b', hash='sha256:bb'}]\n";
        assert_eq!(requirements(&both).unwrap(), "a==1 --hash=sha256:aa\nb==2 --hash=sha256:bb\n");
    }

    #[test]
    fn what_pip_would_take_otherwise_is_refused() {
        for lock in [
            "[[package]]\nname='a'\nversion='1'\nsource={type='git', url='https://example.com/a'}\n",
            "[[package]]\nname='-e .'\nversion='1'\n",
            "[[package]]\nname='a'\nversion='1 --index-url=http://evil'\n",
            "[[package",
        ] {
            assert!(requirements(lock).is_err(), "{lock}");
        }
    }
}
