//! The version of Python and of Node that an image has: what the source asks for, else the one that most have.

use serde_json::Value as Json;
use toml::Table;

use super::{Work, range};
use crate::detect::{PythonVersion, first_line};

/// Python's minor versions in the order they are taken in.
const PYTHON: [[u32; 2]; 7] = [[3, 13], [3, 12], [3, 11], [3, 10], [3, 9], [3, 14], [3, 15]];

/// Node's major versions in the order they are taken in.
const NODE: [u32; 6] = [22, 20, 24, 18, 26, 16];

/// Names of Node's releases with long support.
const CODENAMES: [(&str, u32); 4] = [("hydrogen", 18), ("iron", 20), ("jod", 22), ("krypton", 24)];

impl Work<'_> {
    /// Python's version as its image is tagged: `3.13`, or what `.python-version` says to the patch.
    pub(super) fn python_version(&mut self) -> String {
        let pinned = self.look(".python-version").and_then(|text| PythonVersion::pinned(&text));
        if let Some(version) = pinned {
            self.note(format!("Python {version}: .python-version asks for it"));
            return version.to_string();
        }
        let Some(range) = self.look("pyproject.toml").and_then(|text| requires_python(&text)) else {
            let [major, minor] = PYTHON[0];
            return format!("{major}.{minor}");
        };
        let fits = PYTHON.iter().find(|series| range::allows(&range, &series[..]) == Some(true));
        let [major, minor] = fits.copied().unwrap_or(PYTHON[0]);
        let version = if fits.is_none() { range::exact(&range) } else { None };
        let version = version.unwrap_or_else(|| format!("{major}.{minor}"));
        self.note(format!("Python {version}: pyproject.toml asks for {range}"));
        version
    }

    /// Node's version as its image is tagged: `22`, or what the source pins.
    pub(super) fn node_version(&mut self) -> String {
        for file in [".nvmrc", ".node-version"] {
            if let Some(version) = self.look(file).and_then(|text| node_pinned(&text)) {
                self.note(format!("Node {version}: {file} asks for it"));
                return version;
            }
        }
        let package = self.look("package.json").and_then(|text| serde_json::from_str::<Json>(&text).ok());
        let range = package.as_ref().and_then(|package| package["engines"]["node"].as_str());
        let Some(range) = range else { return NODE[0].to_string() };
        let fits = NODE.iter().find(|series| range::allows(range, &[**series]) == Some(true));
        let version = match fits {
            Some(major) => major.to_string(),
            None => range::exact(range).unwrap_or_else(|| NODE[0].to_string()),
        };
        self.note(format!("Node {version}: package.json asks for {range}"));
        version
    }
}

/// `20`, `v20.11.1`, `lts/iron`; `lts/*` and `node` pin nothing.
fn node_pinned(text: &str) -> Option<String> {
    let line = first_line(text)?;
    if let Some(name) = line.strip_prefix("lts/") {
        return CODENAMES.iter().find(|(known, _)| *known == name).map(|(_, major)| major.to_string());
    }
    let version = line.trim_start_matches('v');
    let parts: Vec<&str> = version.split('.').collect();
    (parts.len() <= 3 && parts.iter().all(|part| is_number(part))).then(|| version.to_owned())
}

/// Whether a text is numbers with dots between them, at least two.
pub(super) fn is_version(text: &str) -> bool {
    text.contains('.') && text.split('.').all(is_number)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 4 && text.chars().all(|c| c.is_ascii_digit())
}

/// The range that a project asks for, as its own table or Poetry's says it.
fn requires_python(text: &str) -> Option<String> {
    let document: Table = text.parse().ok()?;
    let own = document.get("project").and_then(|project| project.get("requires-python"));
    let poetry = || document.get("tool")?.get("poetry")?.get("dependencies")?.get("python");
    own.or_else(poetry)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_files_are_read() {
        for (text, version) in [
            ("v20.11.1\n", Some("20.11.1")),
            ("22", Some("22")),
            ("lts/iron", Some("20")),
            ("lts/*", None),
            ("node", None),
            ("20 RUN x", None),
        ] {
            assert_eq!(node_pinned(text).as_deref(), version, "{text:?}");
        }
    }
}
