//! What is wrong with a text the user wrote, and where: every problem at once, each under the user's own line.

use std::path::PathBuf;
use std::sync::Arc;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing is refused.
    Warning,
    /// The manifest is right but asks for what this place or this version cannot do: exit code 3.
    Missing,
    /// The manifest is wrong: exit code 2.
    Error,
}

/// A stretch of the text and what is to be said under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// First byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
    /// The words under the line; may be empty.
    pub text: String,
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What happened, one sentence without a full stop.
    pub message: String,
    /// The file the labels point into, with its text.
    pub file: PathBuf,
    /// The file's whole text.
    pub text: Arc<str>,
    /// Where, the most important first; empty when the problem is in no one place.
    pub labels: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Line and column of the first label, both from 1, columns in characters; `None` without a label.
    #[must_use]
    pub fn position(&self) -> Option<(usize, usize)> {
        let start = self.labels.first()?.start.min(self.text.len());
        let before = self.text.get(..start)?;
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Some((line, column))
    }
}
