//! Writes a proposal down: one line a key, one comment a line.

use std::fmt::Write as _;

use super::Seen;
use super::folder::Folder;
use crate::scan::NAMESPACES;

/// The column at which comments start, where the line leaves room.
const COMMENTS: usize = 44;
/// The longest name.
const MAX_NAME: usize = 40;

/// A service as it is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sketch {
    name: String,
    path: Option<String>,
    lines: Vec<(String, String)>,
}

impl Sketch {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), path: None, lines: Vec::new() }
    }

    /// The folder of its source, where it is not the manifest's own.
    pub(super) fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// Whether it has the key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.lines.iter().any(|(line, _)| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(" = ")))
    }

    /// The same under another name.
    pub(super) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The same, with its source in a folder.
    pub(super) fn below(mut self, path: &str) -> Self {
        if path != "." {
            self.path = Some(path.to_owned());
            self.lines.insert(0, (format!("path = {}", quoted(path)), "the folder of its source".to_owned()));
        }
        self
    }

    /// The same, with a key whose value is a string.
    pub(super) fn line(self, key: &str, text: &str, why: &str) -> Self {
        let value = quoted(text);
        self.raw(key, &value, why)
    }

    /// The same, with a key whose value is TOML.
    pub(super) fn raw(mut self, key: &str, value: &str, why: &str) -> Self {
        self.lines.push((format!("{key} = {value}"), why.to_owned()));
        self
    }

    /// The same, with a sentence as a comment.
    pub(super) fn remark(mut self, sentence: &str) -> Self {
        self.lines.push((format!("# {}", one_line(sentence)), String::new()));
        self
    }

    /// The same, with a key that is commented out.
    pub(super) fn idea(mut self, line: &str, why: &str) -> Self {
        self.lines.push((format!("# {line}"), why.to_owned()));
        self
    }
}

/// The manifest's text.
pub(super) fn manifest(name: &str, folder: &Folder, seen: &Seen) -> String {
    let mut text = String::from("# What Landfall runs. `landfall plan` shows what a deploy would do.\n");
    push(&mut text, &format!("name = {}", quoted(name)), "");
    match version_file(folder) {
        Some(file) => {
            push(&mut text, &format!("version = {{ file = {} }}", quoted(file)), "the version stands there");
        }
        None => push(&mut text, "# version = \"1.0.0\"", "without it, the version is that of the git tag"),
    }
    for note in &seen.notes {
        let _ = writeln!(text, "\n# {}", one_line(note));
    }
    let mut names: Vec<String> = Vec::new();
    for sketch in &seen.services {
        let _ = writeln!(text, "\n[service.{}]", unique(&mut names, &sketch.name));
        sketch.lines.iter().for_each(|(line, why)| push(&mut text, line, why));
    }
    text.push_str("\n# Another environment says only what differs there: `landfall deploy production`.\n");
    let _ = writeln!(text, "# [environment.production]\n# domain = \"{name}.example.com\"");
    let any = |key: &str| seen.services.iter().any(|sketch| sketch.has(key));
    if any("run") && !any("runtime") {
        push(&mut text, "# runtime = \"docker\"", "in containers; without it, as processes");
    }
    text
}

fn push(text: &mut String, line: &str, why: &str) {
    if why.is_empty() {
        let _ = writeln!(text, "{line}");
    } else {
        let _ = writeln!(text, "{line:<COMMENTS$} # {}", one_line(why));
    }
}

/// A file that holds the version, if one does.
fn version_file(folder: &Folder) -> Option<&'static str> {
    let is_version = |text: &str| text.parse::<semver::Version>().is_ok();
    if folder.read("VERSION").is_some_and(|text| text.split_whitespace().next().is_some_and(is_version)) {
        return Some("VERSION");
    }
    let package: Option<serde_json::Value> =
        folder.read("package.json").and_then(|t| serde_json::from_str(&t).ok());
    if package.is_some_and(|package| package["version"].as_str().is_some_and(is_version)) {
        return Some("package.json");
    }
    let project: Option<toml::Table> = folder.read("pyproject.toml").and_then(|text| text.parse().ok());
    let version = project.as_ref().and_then(|table| table.get("project")?.get("version")?.as_str());
    version.is_some_and(is_version).then_some("pyproject.toml")
}

/// A name that has not been given yet.
fn unique(names: &mut Vec<String>, wanted: &str) -> String {
    let base = tidy(wanted, "web");
    let numbered =
        (2..).map(|n| format!("{}-{n}", base[..base.len().min(MAX_NAME - 5)].trim_end_matches('-')));
    let mut candidates = std::iter::once(base.clone()).chain(numbered);
    let name = candidates.find(|name| !names.contains(name)).unwrap_or(base);
    names.push(name.clone());
    name
}

/// The nearest name to a text: lower case, digits and `-`, a letter first, at most 40 characters.
pub(super) fn tidy(text: &str, fallback: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = text.chars().map(plain).collect();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let name = name[..name.len().min(MAX_NAME)].trim_end_matches('-');
    if name.is_empty() { fallback.to_owned() } else { name.to_owned() }
}

/// A text as a TOML string.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(one_line(text)).to_string()
}

/// Texts as a TOML list.
pub(super) fn list(texts: impl IntoIterator<Item = String>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| quoted(&text)).collect();
    format!("[{}]", texts.join(", "))
}

/// A command that someone else wrote, as Landfall writes it: what looks like a reference of ours is none.
pub(super) fn escaped(command: &str) -> String {
    NAMESPACES
        .iter()
        .fold(one_line(command), |text, name| text.replace(&format!("${{{name}."), &format!("$${{{name}.")))
}

/// The command with the fixed port that it listens on replaced by the one that is given.
pub(super) fn with_given_port(command: &str, port: Option<&str>) -> String {
    let Some(port) = port.filter(|port| !port.is_empty()) else { return command.to_owned() };
    let mut result = String::new();
    let mut rest = command;
    while let Some(at) = rest.find(port) {
        let (before, after) = (&rest[..at], &rest[at + port.len()..]);
        let alone = !before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '.')
            && !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.');
        result.push_str(before);
        result.push_str(if alone { "$PORT" } else { port });
        rest = after;
    }
    result + rest
}

fn one_line(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(clean).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_tidy_and_unique() {
        assert_eq!(
            ["My App", "42", "--x--", "3D viewer", ""].map(|t| tidy(t, "app")),
            ["my-app", "app", "x", "d-viewer", "app"]
        );
        assert_eq!(tidy(&"é".repeat(99), "app"), "app");
        let mut names = Vec::new();
        assert_eq!([(); 3].map(|()| unique(&mut names, "web")), ["web", "web-2", "web-3"]);
    }

    #[test]
    fn fixed_ports_give_way() {
        assert_eq!(
            with_given_port("serve 0.0.0.0:8000 -n 80001", Some("8000")),
            "serve 0.0.0.0:$PORT -n 80001"
        );
        assert_eq!(with_given_port("serve -p 80 1.80 a80", Some("80")), "serve -p $PORT 1.80 a80");
        assert_eq!(with_given_port("serve", None), "serve");
    }
}
