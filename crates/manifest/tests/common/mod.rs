//! Reads a manifest in a world where every folder is there, and draws diagnostics as plain text.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(dead_code, reason = "each test file uses a part")]

use std::fmt::Write as _;
use std::path::Path;

use landfall_manifest::{Context, Loaded, load};
use landfall_model::{Diagnostic, Severity};

/// The reference manifest of the design.
pub(crate) const REFERENCE: &str = include_str!("reference.toml");

/// Loads for an environment; `GREETING` is `hello`, `TAG` is `a b`, `PRICE` is `9$`; every folder but `nowhere` is there.
pub(crate) fn load_for(text: &str, environment: &str) -> Result<Loaded, Vec<Diagnostic>> {
    load(
        text,
        &Context {
            file: Path::new("/p/landfall.toml"),
            root: Path::new("/p"),
            environment: &environment.parse().unwrap(),
            variable: &|name| match name {
                "GREETING" => Some("hello".to_owned()),
                "TAG" => Some("a b".to_owned()),
                "PRICE" => Some("9$".to_owned()),
                _ => None,
            },
            is_folder: &|path| !path.ends_with("nowhere"),
            is_file: &|path| {
                !path.ends_with("nowhere.html")
                    && !path.ends_with("nowhere.pem")
                    && !path.ends_with("Dockerfile")
                    && !path.ends_with("web/deploy/web.Dockerfile")
            },
            text: &|path| path.ends_with("deploy/web.Dockerfile").then(|| "FROM scratch\n".to_owned()),
        },
    )
}

/// All diagnostics, of a success too, drawn.
pub(crate) fn drawn_for(text: &str, environment: &str) -> String {
    match load_for(text, environment) {
        Ok(loaded) if loaded.warnings.is_empty() => "fine".to_owned(),
        Ok(loaded) => draw(&loaded.warnings),
        Err(diagnostics) => draw(&diagnostics),
    }
}

/// The same for `dev`.
pub(crate) fn drawn(text: &str) -> String {
    drawn_for(text, "dev")
}

/// A web service with these lines.
pub(crate) fn web(lines: &str) -> String {
    drawn(&format!("name = \"app\"\n[service.web]\nrun = \"serve\"\n{lines}"))
}

/// Draws each with its lines.
pub(crate) fn draw(diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        let severity = match diagnostic.severity {
            Severity::Warning => "warning",
            Severity::Missing => "missing",
            Severity::Error => "error",
        };
        writeln!(out, "{severity}: {}", diagnostic.message).unwrap();
        for label in &diagnostic.labels {
            let single = Diagnostic { labels: vec![label.clone()], ..diagnostic.clone() };
            let (line, column) = single.position().expect("a place inside the text");
            let source = diagnostic.text.lines().nth(line - 1).unwrap_or_default();
            let marked = diagnostic.text[label.start..label.end].lines().next().unwrap_or_default();
            let marks = "^".repeat(marked.chars().count().max(1));
            let gutter = format!("{line:>3} | ");
            let indent = " ".repeat(gutter.len() - 2);
            writeln!(out, "{gutter}{source}").unwrap();
            let mark = format!("{indent}| {}{marks} {}", " ".repeat(column - 1), label.text);
            writeln!(out, "{}", mark.trim_end()).unwrap();
        }
        if let Some(help) = &diagnostic.help {
            writeln!(out, "  help: {help}").unwrap();
        }
    }
    out
}
