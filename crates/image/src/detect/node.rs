//! What `package.json` and its lock files say, and how a manager is told to install exactly that.

use serde_json::{Map, Value};

use super::Manager;

/// The project's own scripts that an install would run. They expect the source, which an install does not see; `build` is
/// the place for what they do.
pub const INSTALL_SCRIPTS: [&str; 9] = [
    "preinstall",
    "install",
    "postinstall",
    "prepublish",
    "preprepare",
    "prepare",
    "postprepare",
    "dependencies",
    "pnpm:devPreinstall",
];

/// The kinds of dependencies that an install brings.
const KINDS: [&str; 3] = ["dependencies", "devDependencies", "optionalDependencies"];

/// A `package.json`.
#[derive(Debug, Clone)]
pub struct Package(Map<String, Value>);

impl Package {
    /// Reads its text.
    ///
    /// # Errors
    /// Why it is none, as people read it.
    pub fn parse(text: &str) -> Result<Self, String> {
        match serde_json::from_str(text) {
            Ok(Value::Object(document)) => Ok(Self(document)),
            Ok(_) => Err("it is no object".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether there is anything to install.
    #[must_use]
    pub fn has_dependencies(&self) -> bool {
        self.named(&KINDS).next().is_some()
    }

    /// Whether anything is only for development.
    #[must_use]
    pub fn has_development(&self) -> bool {
        self.named(&["devDependencies"]).next().is_some()
    }

    /// Whether it depends on a package, in any way.
    #[must_use]
    pub fn depends_on(&self, name: &str) -> bool {
        self.named(&KINDS).any(|(known, _)| known == name)
    }

    /// The packages that are only for development.
    pub fn development(&self) -> impl Iterator<Item = &str> {
        self.named(&["devDependencies"]).map(|(name, _)| name)
    }

    /// Why the install needs the source itself, if it does. `workspace` is the text of a `pnpm-workspace.yaml`.
    #[must_use]
    pub fn needs_source(&self, workspace: Option<&str>) -> Option<String> {
        // A `pnpm-workspace.yaml` may hold settings alone.
        let has_packages = |text: &str| text.lines().any(|line| line.starts_with("packages:"));
        if self.0.contains_key("workspaces") || workspace.is_some_and(has_packages) {
            return Some("workspaces are installed from the source itself".to_owned());
        }
        let local = |version: &&str| {
            ["file:", "link:", "workspace:", "portal:", "./", "../", "/"]
                .iter()
                .any(|start| version.starts_with(start))
        };
        let mut named = self.named(&KINDS);
        let (name, _) = named.find(|(_, version)| version.as_str().as_ref().is_some_and(local))?;
        Some(format!("`{name}` is installed from the source itself"))
    }

    /// The text of a script.
    #[must_use]
    pub fn script(&self, name: &str) -> Option<&str> {
        self.0.get("scripts")?.get(name)?.as_str()
    }

    /// Those of [`INSTALL_SCRIPTS`] that it has.
    #[must_use]
    pub fn install_scripts(&self) -> Vec<&'static str> {
        INSTALL_SCRIPTS.into_iter().filter(|name| self.script(name).is_some()).collect()
    }

    /// Its text without them.
    #[must_use]
    pub fn without_install_scripts(&self) -> String {
        let mut document = self.0.clone();
        if let Some(Value::Object(scripts)) = document.get_mut("scripts") {
            scripts.retain(|name, _| !INSTALL_SCRIPTS.contains(&name.as_str()));
        }
        Value::Object(document).to_string()
    }

    /// Any other key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    fn named<'a>(&'a self, kinds: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let kinds = kinds.iter().filter_map(|kind| self.0.get(*kind)?.as_object());
        kinds.flatten().map(|(name, version)| (name.as_str(), version))
    }
}

/// Whether a `yarn.lock` is of Yarn 2 or later.
#[must_use]
pub fn is_berry(yarn_lock: &str) -> bool {
    yarn_lock.contains("__metadata:")
}

/// What the manager is told: install exactly what is locked, tools for building included, and ask nobody anything.
/// `has_settings`: there is a `pnpm-workspace.yaml`.
#[must_use]
pub fn install(
    manager: Manager,
    has_lock: bool,
    is_berry: bool,
    has_settings: bool,
) -> &'static [&'static str] {
    match manager {
        Manager::Npm if has_lock => {
            &["ci", "--include=dev", "--no-audit", "--no-fund", "--no-update-notifier"]
        }
        Manager::Npm => &["install", "--include=dev", "--no-audit", "--no-fund", "--no-update-notifier"],
        Manager::Pnpm if has_settings => &["install", "--frozen-lockfile", "--prod=false"],
        Manager::Pnpm => &["install", "--frozen-lockfile", "--prod=false", "--ignore-workspace"],
        Manager::Yarn if is_berry => &["install", "--immutable"],
        _ => &["install", "--frozen-lockfile", "--non-interactive", "--production=false"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_the_source_is_seen() {
        let needs = |text: &str, workspace| Package::parse(text).unwrap().needs_source(workspace);
        for text in [
            r#"{"workspaces": ["packages/*"]}"#,
            r#"{"dependencies": {"a": "file:../a"}}"#,
            r#"{"devDependencies": {"a": "workspace:*"}}"#,
        ] {
            assert!(needs(text, None).is_some(), "{text}");
        }
        assert!(needs("{}", Some("packages:\n  - a\n")).is_some());
        assert_eq!(needs("{}", Some("onlyBuiltDependencies:\n  - esbuild\n")), None);
        assert_eq!(needs(r#"{"dependencies": {"a": "^1"}}"#, None), None);
    }

    #[test]
    fn a_package_is_read() {
        assert!(Package::parse("[]").is_err() && Package::parse("{").is_err());
        let text = r#"{"scripts":{"build":"vite","postinstall":"x"},"dependencies":{"a":"1"}}"#;
        let package = Package::parse(text).unwrap();
        assert!(package.has_dependencies() && !package.has_development() && package.depends_on("a"));
        assert_eq!(package.install_scripts(), ["postinstall"]);
        assert_eq!(
            package.without_install_scripts(),
            r#"{"scripts":{"build":"vite"},"dependencies":{"a":"1"}}"#
        );
        assert!(!Package::parse(r#"{"dependencies": {}}"#).unwrap().has_dependencies());
    }
}
