//! `.dockerignore` as BuildKit reads it. It is not `.gitignore`: patterns start at the root of the context, the last one
//! that matches decides, and what lies below a match counts as matched.
//!
//! Rules: <https://docs.docker.com/build/concepts/context/#dockerignore-files>, and where that is silent what
//! `moby/patternmatcher` and the walk in `tonistiigi/fsutil` do.

mod expression;
mod lines;
mod pattern;

use landfall_model::Fault;

use pattern::Pattern;

/// The file's name, at the root of the context.
pub const DOCKERIGNORE: &str = ".dockerignore";

/// The rules of a `.dockerignore`.
#[derive(Debug, Clone, Default)]
pub struct Ignore {
    patterns: Vec<Pattern>,
}

impl Ignore {
    /// Reads the text of a `.dockerignore`; an empty one excludes nothing.
    ///
    /// # Errors
    /// A line that is no pattern, with its number.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut patterns = Vec::new();
        for (number, line) in lines::patterns(text) {
            let pattern = Pattern::new(&line).map_err(|why| {
                Fault::usage(format!("line {number} of {DOCKERIGNORE} is no pattern: {why}: `{line}`"))
                    .help("correct the line; a character that means something is escaped with `\\`")
            })?;
            patterns.extend(pattern);
        }
        Ok(Self { patterns })
    }

    /// Whether the file or folder at `path` (relative, parts separated by `/`) stays out of the context. A folder that
    /// does may still hold something that is let in; see [`Ignore::excludes_all_below`].
    #[must_use]
    pub fn excludes(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let mut above: Option<Vec<bool>> = None;
        let mut excluded = false;
        for end in ends {
            let (verdict, matched) = self.step(&path[..end], above.as_deref());
            (excluded, above) = (verdict, Some(matched));
        }
        excluded
    }

    /// Whether the folder at `path`, which is excluded, holds nothing that any exception lets in again, so that it need
    /// not be looked into.
    #[must_use]
    pub fn excludes_all_below(&self, path: &str) -> bool {
        let below = format!("{path}/");
        self.patterns.iter().filter(|pattern| pattern.is_exception()).all(|pattern| {
            pattern.literal().is_some_and(|literal| !format!("{literal}/").starts_with(&below))
        })
    }

    /// Decides for one path by what was found for the folder above it. A pattern that cannot change the verdict is not
    /// tried, and then counts as not matched for what lies below: a rule of the walk that shows where exceptions stand
    /// before what they are exceptions to.
    fn step(&self, path: &str, above: Option<&[bool]>) -> (bool, Vec<bool>) {
        let mut excluded = false;
        let mut matched = vec![false; self.patterns.len()];
        for (at, pattern) in self.patterns.iter().enumerate() {
            let inherited = above.is_some_and(|above| above[at]);
            if !inherited && pattern.is_exception() != excluded {
                continue;
            }
            matched[at] = inherited || pattern.matches(path);
            if matched[at] {
                excluded = !pattern.is_exception();
            }
        }
        (excluded, matched)
    }
}

#[cfg(test)]
mod tests;
