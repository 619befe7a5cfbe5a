//! What is said about secrets that are missing or empty and providers that fail; never with a value in it.

use std::sync::Arc;

use landfall_model::{Diagnostic, Label, Resolved, Severity};

use crate::{Needed, Provider, ProviderError};

/// Collects what is missing: one problem for each secret, drawn at every place that names it.
pub(crate) struct Problems<'a> {
    resolved: &'a Resolved,
    providers: &'a [&'a dyn Provider],
    found: Vec<Problem<'a>>,
}

struct Problem<'a> {
    name: &'a str,
    needs: Vec<&'a Needed>,
    /// The provider that has it, with an empty value.
    empty_in: Option<usize>,
}

impl<'a> Problems<'a> {
    pub(crate) fn new(resolved: &'a Resolved, providers: &'a [&'a dyn Provider]) -> Self {
        Self { resolved, providers, found: Vec::new() }
    }

    pub(crate) fn add(&mut self, need: &'a Needed, empty_in: Option<usize>) {
        match self.found.iter_mut().find(|problem| problem.name == need.name) {
            Some(problem) => problem.needs.push(need),
            None => self.found.push(Problem { name: &need.name, needs: vec![need], empty_in }),
        }
    }

    pub(crate) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.found.iter().map(|problem| self.diagnostic(problem)).collect()
    }

    fn diagnostic(&self, problem: &Problem<'_>) -> Diagnostic {
        let Problem { name, needs, empty_in } = problem;
        let services: Vec<String> = needs.iter().map(|need| format!("`{}`", need.service)).collect();
        let noun = if services.len() == 1 { "service" } else { "services" };
        let what = if empty_in.is_some() { "is empty" } else { "is missing" };
        let mut labels: Vec<Label> = Vec::new();
        for need in needs {
            // An environment's own list stands for several services with one stretch of text.
            if !labels.iter().any(|label| label.start == need.span.start && label.end == need.span.end) {
                let text =
                    if labels.is_empty() { what.replace("is ", "") } else { "also needed here".to_owned() };
                labels.push(Label { start: need.span.start, end: need.span.end, text });
            }
        }
        Diagnostic {
            severity: Severity::Missing,
            message: format!("secret `{name}` of {noun} {} {what}", list(&services, "and")),
            file: self.resolved.file.clone(),
            text: Arc::clone(&self.resolved.text),
            labels,
            help: Some(self.help(name, *empty_in)),
        }
    }

    fn help(&self, name: &str, empty_in: Option<usize>) -> String {
        let seen = match empty_in {
            Some(index) => format!("{} gives it an empty value", self.providers[index].describe()),
            None => {
                let places: Vec<String> = self.providers.iter().map(|provider| provider.describe()).collect();
                format!("looked for in {}", list(&places, "and"))
            }
        };
        let give = match self.resolved.env_files.first() {
            Some(file) => {
                let file = file.strip_prefix(&self.resolved.root).unwrap_or(file).display();
                format!(
                    "put a line `{name}=…` into `{file}` (mode 0600, never committed), or export `{name}`"
                )
            }
            None => format!("export `{name}` in the environment of this command"),
        };
        format!("{seen}; {give}")
    }
}

/// A provider that could not be asked. A file that is written wrongly is the user's to correct; anything else is
/// missing.
pub(crate) fn failure(error: &ProviderError) -> Diagnostic {
    let (severity, file, help) = match error {
        ProviderError::Unreadable { path, .. } => {
            (Severity::Missing, path, "make it readable for you, or remove it".to_owned())
        }
        ProviderError::TooLarge { path, .. } => {
            (Severity::Missing, path, "keep `NAME=value` lines of secrets in it and nothing else".to_owned())
        }
        ProviderError::Syntax { path, .. } => (
            Severity::Error,
            path,
            "each line is `NAME=value`, `NAME='value'` or `NAME=\"value\"`; a quoted value may span lines"
                .to_owned(),
        ),
    };
    Diagnostic {
        severity,
        message: error.to_string(),
        file: file.clone(),
        // The file's text holds values: nothing of it is drawn.
        text: "".into(),
        labels: Vec::new(),
        help: Some(help),
    }
}

fn list(items: &[String], last: &str) -> String {
    match items {
        [] => "nowhere".to_owned(),
        [one] => one.clone(),
        [rest @ .., end] => format!("{} {last} {end}", rest.join(", ")),
    }
}
