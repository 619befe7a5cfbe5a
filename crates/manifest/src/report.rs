//! Collects what is wrong: problems without a file become diagnostics with one, sorted as the text goes, none twice.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use landfall_model::{Diagnostic, Label, Severity, SourceSpan};

/// One problem, before it is tied to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    severity: Severity,
    message: String,
    labels: Vec<(SourceSpan, String)>,
    help: Option<String>,
}

impl Problem {
    /// The manifest is wrong.
    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message)
    }

    /// The manifest is right, and this version or this place cannot do it.
    pub(crate) fn missing(message: impl Into<String>) -> Self {
        Self::new(Severity::Missing, message)
    }

    /// Worth knowing.
    pub(crate) fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message)
    }

    fn new(severity: Severity, message: impl Into<String>) -> Self {
        Self { severity, message: message.into(), labels: Vec::new(), help: None }
    }

    /// The same, drawn at `span` with `text` under it.
    pub(crate) fn at(mut self, span: SourceSpan, text: impl Into<String>) -> Self {
        self.labels.push((span, text.into()));
        self
    }

    /// The same, with what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same; with what to do where there is something to say.
    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }
}

/// All problems found so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    problems: Vec<Problem>,
}

impl Report {
    /// Adds one.
    pub(crate) fn add(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Drops the problems that syntax errors at `spans` may have made: those on the same lines, and below a broken
    /// header all up to the next one, since their keys have come under another.
    pub(crate) fn forget_around(&mut self, text: &str, spans: &[SourceSpan]) {
        let line = |at: usize| text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count();
        let mut broken: BTreeSet<usize> = spans.iter().map(|span| line(span.start)).collect();
        let mut below = false;
        for (number, content) in text.lines().enumerate() {
            if content.trim_start().starts_with('[') {
                below = broken.contains(&number);
            }
            if below {
                broken.insert(number);
            }
        }
        self.problems.retain(|problem| {
            problem
                .labels
                .first()
                .is_some_and(|(span, _)| span.end > 0 && !broken.contains(&line(span.start)))
        });
    }

    /// The diagnostics, in the order of the text, those without a place first; each once.
    pub(crate) fn finish(mut self, file: &Path, text: &Arc<str>) -> Vec<Diagnostic> {
        self.problems.sort_by_key(|problem| problem.labels.first().map(|(span, _)| span.start));
        let mut diagnostics: Vec<Diagnostic> = Vec::new();
        for problem in self.problems {
            let label = |(span, words): (SourceSpan, String)| {
                let start = boundary(text, span.start);
                Label { start, end: boundary(text, span.end).max(start), text: words }
            };
            let diagnostic = Diagnostic {
                severity: problem.severity,
                message: problem.message,
                file: file.to_owned(),
                text: Arc::clone(text),
                labels: problem.labels.into_iter().map(label).collect(),
                help: problem.help,
            };
            // Equal ones stand beside each other but for others at the same place, which are few.
            let place = diagnostic.labels.first().map(|label| label.start);
            let same_place =
                diagnostics.iter().rev().take_while(|d| d.labels.first().map(|l| l.start) == place);
            if !same_place.into_iter().any(|d| {
                d.message == diagnostic.message
                    && d.labels == diagnostic.labels
                    && d.severity == diagnostic.severity
            }) {
                diagnostics.push(diagnostic);
            }
        }
        diagnostics
    }
}

/// The nearest boundary of a character at or before `at`.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
