//! The forms for programs: the nouns' own serde forms, one function for all of them.

use std::io::{self, Write};

use landfall_model::{Diagnostic, Severity};
use serde::Serialize;
use serde_json::json;

/// Writes a noun as JSON with a line end behind it: on one line, or over several for people.
///
/// # Errors
/// Any of the writer's.
pub fn json(out: &mut dyn Write, noun: &impl Serialize, pretty: bool) -> io::Result<()> {
    let mut text = if pretty { serde_json::to_string_pretty(noun) } else { serde_json::to_string(noun) }?;
    text.push('\n');
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes a line of JSON with one key: `{"fault": …}`, `{"receipt": …}`.
///
/// # Errors
/// Any of the writer's.
pub fn json_line(out: &mut dyn Write, key: &str, noun: &impl Serialize) -> io::Result<()> {
    json(out, &json!({ key: noun }), false)
}

/// Writes a line of JSON for each problem: `{"diagnostic": {severity, message, file, line, column, labels, help}}`;
/// lines and columns from 1, labels in bytes of the file, end exclusive.
///
/// # Errors
/// Any of the writer's.
pub fn json_diagnostics(out: &mut dyn Write, diagnostics: &[Diagnostic]) -> io::Result<()> {
    for diagnostic in diagnostics {
        let severity = match diagnostic.severity {
            Severity::Warning => "warning",
            Severity::Missing => "missing",
            Severity::Error => "error",
        };
        let (line, column) = diagnostic.position().unzip();
        let labels = diagnostic
            .labels
            .iter()
            .map(|label| json!({ "start": label.start, "end": label.end, "text": label.text }));
        let form = json!({
            "severity": severity,
            "message": diagnostic.message,
            "file": diagnostic.file.to_string_lossy(),
            "line": line,
            "column": column,
            "labels": labels.collect::<Vec<_>>(),
            "help": diagnostic.help,
        });
        json_line(out, "diagnostic", &form)?;
    }
    Ok(())
}
