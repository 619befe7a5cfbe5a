//! What does not travel: what `.gitignore` and `.landfallignore` name, secrets, and what every tool can make anew.

use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The file with Landfall's own ignore rules, in any folder; it wins over `.gitignore`.
pub(crate) const IGNORE_FILE: &str = ".landfallignore";

/// Never bundled, whatever a rule says: history, Landfall's own folder, and files that hold secrets.
const NEVER: [&str; 4] = [".git", ".landfall", ".env", ".env.*"];

/// Not bundled unless the source's own `.landfallignore` takes it back in (`!node_modules`).
/// The manifest is among them: what it says of a service is the release's configuration, so that a comment in it is
/// no new artifact, and a site does not serve it.
const BY_DEFAULT: [&str; 7] =
    ["__pycache__", "node_modules", ".venv", "venv/", "*.pyc", ".DS_Store", MANIFEST];

/// The manifest beside the source.
const MANIFEST: &str = "/landfall.toml";

/// The rules that come on top of the ignore files found on the way.
#[derive(Debug)]
pub(crate) struct Rules {
    never: Gitignore,
    extra: Gitignore,
    by_default: Gitignore,
    manifest: Gitignore,
    taken_back: Gitignore,
}

impl Rules {
    /// The rules for a source folder. `extra` are lines of the form `.gitignore` has.
    ///
    /// # Errors
    /// A line of `extra` that is no pattern.
    pub(crate) fn new(source: &Path, extra: &[String]) -> Result<Self, ignore::Error> {
        // What is wrong with the file itself is found by the walk.
        let (taken_back, _) = Gitignore::new(source.join(IGNORE_FILE));
        Ok(Self {
            never: matcher(source, NEVER)?,
            extra: matcher(source, extra.iter().map(String::as_str))?,
            by_default: matcher(source, BY_DEFAULT)?,
            manifest: matcher(source, [MANIFEST])?,
            taken_back,
        })
    }

    /// Whether a path, whose folders were let through already, stays behind whoever's rules hold otherwise.
    pub(crate) fn forbids(&self, path: &Path, is_folder: bool) -> bool {
        [&self.never, &self.extra, &self.manifest]
            .iter()
            .any(|rules| rules.matched(path, is_folder).is_ignore())
    }

    /// Whether a path, whose folders were let through already, stays behind.
    pub(crate) fn ignores(&self, path: &Path, is_folder: bool) -> bool {
        self.never.matched(path, is_folder).is_ignore()
            || self.extra.matched(path, is_folder).is_ignore()
            || (self.by_default.matched(path, is_folder).is_ignore()
                && !self.taken_back.matched(path, is_folder).is_whitelist())
    }
}

fn matcher<'a>(source: &Path, lines: impl IntoIterator<Item = &'a str>) -> Result<Gitignore, ignore::Error> {
    let mut builder = GitignoreBuilder::new(source);
    for line in lines {
        builder.add_line(None, line)?;
    }
    builder.build()
}
